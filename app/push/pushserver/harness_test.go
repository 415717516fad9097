package pushserver_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"usher/api/listener"
	apipush "usher/api/push"
	"usher/app/pki"
	"usher/app/push/amssource"
	"usher/app/push/pushpb"
	"usher/app/push/pushserver"
	"usher/callout/callouttest"
	"usher/internal/secretfile"
)

const messagingName = "messaging.example.org" // the common name that may call

// site is a push server with a messaging service, and the CA of both.
type site struct {
	dir    string
	ca     *pki.Authority
	caFile string
	ams    *messaging
	active *pushserver.Active
	server *pushserver.Server
	log    callouttest.Buffer
}

func newSite(t *testing.T, change ...func(*pushserver.Config)) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	ca, pair, err := pki.NewAuthority("push", 0, time.Now())
	callouttest.Must(t, err)
	s.ca, s.caFile = ca, s.write(t, "ca.pem", pair.Cert)
	s.ams = newMessaging(t)
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	client := amssource.New(amssource.Config{
		URL: s.ams.URL, Token: func() (string, error) { return token, nil }, Log: log,
		TLS: s.ams.Client().Transport.(*http.Transport).TLSClientConfig,
	})
	s.active = pushserver.NewActive(pushserver.ActiveConfig{
		Messages: client, URL: s.ams.URL, Log: log,
		State: func(context.Context, string) (apipush.State, error) {
			return apipush.State{Status: apipush.StatusActive}, nil
		},
	})
	cert, key := s.issue(t, s.ca, &pki.Request{CN: "push.example.org", DNS: []string{"push.example.org"}, Server: true, Now: time.Now()})
	cfg := &pushserver.Config{
		Address: "127.0.0.1:0", Certificate: &listener.Certificate{CertFile: cert, KeyFile: key, Log: log}, ClientCA: s.caFile,
		CommonNames: []string{messagingName}, Registry: s.active, Now: time.Now, Log: log,
	}
	for _, f := range change {
		f(cfg)
	}
	s.server, err = pushserver.Start(t.Context(), cfg)
	callouttest.Must(t, err)
	t.Cleanup(func() { s.server.Stop(5 * time.Second) })
	return s
}

func (s *site) write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	callouttest.Must(t, secretfile.Write(path, text))
	return path
}

func (s *site) issue(t *testing.T, ca *pki.Authority, r *pki.Request) (cert, key string) {
	t.Helper()
	pair, err := ca.Issue(r)
	callouttest.Must(t, err)
	return s.write(t, r.CN+".pem", pair.Cert), s.write(t, r.CN+".key", pair.Key)
}

// pair issues a certificate for a client.
func pair(t *testing.T, ca *pki.Authority, r *pki.Request) *tls.Certificate {
	t.Helper()
	p, err := ca.Issue(r)
	callouttest.Must(t, err)
	out, err := tls.X509KeyPair(p.Cert, p.Key)
	callouttest.Must(t, err)
	return &out
}

// client is a messaging service that calls the push server; cert nil: without a certificate.
func (s *site) client(t *testing.T, cert *tls.Certificate, change ...func(*tls.Config)) pushpb.PushServiceClient {
	t.Helper()
	return pushpb.NewPushServiceClient(s.conn(t, cert, change...))
}

func (s *site) conn(t *testing.T, cert *tls.Certificate, change ...func(*tls.Config)) *grpc.ClientConn {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.Cert)
	cfg := &tls.Config{RootCAs: pool, ServerName: "push.example.org", MinVersion: tls.VersionTLS12}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	for _, f := range change {
		f(cfg)
	}
	cc, err := grpc.NewClient("passthrough:///"+s.server.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	callouttest.Must(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// good is the client of the messaging service.
func (s *site) good(t *testing.T) pushpb.PushServiceClient {
	t.Helper()
	return s.client(t, pair(t, s.ca, &pki.Request{CN: messagingName, Client: true, Now: time.Now()}))
}

// activation is the request for a subscription of project p.
func activation(name string) *pushpb.ActivateSubscriptionRequest {
	return &pushpb.ActivateSubscriptionRequest{Subscription: &pushpb.Subscription{
		FullName: "/projects/p/subscriptions/" + name, FullTopic: "/projects/p/topics/t",
		PushConfig: &pushpb.PushConfig{
			PushEndpoint: "https://receiver.example.org/path", MaxMessages: 1,
			RetryPolicy: &pushpb.RetryPolicy{Type: "linear", Period: 3000},
		},
	}}
}
