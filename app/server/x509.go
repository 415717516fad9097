package server

import (
	"context"
	"crypto/tls"
	"log/slog"

	"usher/api"
	"usher/api/listener"
)

// startX509 serves api.x509.listen if the configuration has it.
func (srv *Server) startX509(ctx context.Context) error {
	const key = "api.x509.listen"
	cfg := &srv.cfg.API.X509
	if cfg.Listen == "" {
		return nil
	}
	handler, err := api.NewX509(srv.apiConfig(), srv.login)
	if err != nil {
		return err
	}
	certificates, err := srv.serverTLS("api.x509.tls", &cfg.TLS)
	if err != nil {
		return err
	}
	// The handler verifies certificates: a client then learns what is wrong with its own.
	// Without tickets, every connection proves that the client has the private key.
	certificates.ClientAuth, certificates.SessionTicketsDisabled = tls.RequestClientCert, true
	srv.x509, err = listener.Start(ctx, listener.Config{
		Name: key, Address: cfg.Listen, Handler: handler, TLS: certificates, MaxConnections: srv.connections.X509, Log: srv.log,
	})
	if err != nil {
		return listenFailed(key, err)
	}
	srv.log.LogAttrs(ctx, slog.LevelInfo, "keys for certificates", slog.String("url", srv.X509URL()))
	return nil
}

// X509URL returns the address of the listener for certificates, or empty if it is off.
func (srv *Server) X509URL() string {
	if srv.x509 == nil {
		return ""
	}
	return "https://" + dialAddress(srv.x509)
}
