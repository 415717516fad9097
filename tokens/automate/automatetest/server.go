package automatetest

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"usher/app/pki"
	"usher/callout/callouttest"
)

// Server is one of the services.
type Server struct {
	Address string
	TLS     tls.Config // a change takes effect with Start

	register func(*grpc.Server)
	server   *grpc.Server // nil: it does not run
	ended    chan struct{}
}

// Pool returns a pool with the CA.
func Pool(ca *pki.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// Present makes the service present a certificate, from the next Start on.
func (s *Server) Present(tb testing.TB, cert, key string) {
	tb.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	callouttest.Must(tb, err)
	s.TLS.MinVersion = tls.VersionTLS12
	s.TLS.Certificates = []tls.Certificate{pair}
}

// Start starts the service.
func (s *Server) Start(tb testing.TB, opts ...grpc.ServerOption) {
	tb.Helper()
	l := listen(tb, s.Address)
	srv := grpc.NewServer(append([]grpc.ServerOption{grpc.Creds(credentials.NewTLS(s.TLS.Clone()))}, opts...)...)
	s.register(srv)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l) // until Stop
	}()
	s.server, s.ended = srv, ended
}

// Stop stops the service at once: calls get no answer.
func (s *Server) Stop() {
	if s.server == nil {
		return
	}
	s.server.Stop()
	<-s.ended
	s.server = nil
}
