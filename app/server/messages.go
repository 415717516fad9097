package server

import (
	"crypto/rand"

	"usher/app/assembly"
	"usher/app/healthtoken"
	messages "usher/app/messages/service"
	pushing "usher/app/push/service"
	"usher/internal/metrics"
)

// prepareMessages makes what serves and pushes the messages of projects, and connects nothing.
func (srv *Server) prepareMessages() (err error) {
	if srv.serviceTokens, err = assembly.ServiceTokens(srv.cfg); err != nil {
		return err
	}
	srv.messages, err = messages.New(&messages.Config{
		Config: srv.cfg, Keyring: srv.Parts.Keyring.Keyring, Snapshot: srv.Parts.Store.Snapshot, Now: srv.Parts.Now, Log: srv.log,
	})
	if err != nil {
		return err
	}
	if srv.cfg.API.Listen != "" {
		srv.ObserveAPI = metrics.NewAPI(srv.registry)
	}
	push := pushing.InsideConfig{
		Config: srv.cfg, Keyring: srv.Parts.Keyring.Keyring, Snapshot: srv.Parts.Store.Snapshot, Random: rand.Reader,
		Registry: srv.registry, Audit: srv.audit.Log, Log: srv.log, Now: srv.Parts.Now,
	}
	if srv.messages != nil {
		push.JetStream = srv.messages.Pool.JetStream
	}
	if bucket, ok := srv.Parts.Store.(*assembly.Bucket); ok {
		push.Store, push.Conn = bucket, bucket.Conn
	}
	srv.push, err = pushing.NewInside(&push)
	return err
}

// StreamsInStep returns why the streams of projects are not in step with the directory yet;
// nil: they are, or somebody else keeps them.
func (srv *Server) StreamsInStep() error { return srv.messages.StreamsInStep() }

// healthToken is the file for usher healthcheck.
func (srv *Server) healthToken() *healthtoken.File {
	f := &healthtoken.File{Keyring: srv.Parts.Keyring.Keyring, Now: srv.Parts.Now, Log: srv.log}
	if srv.cfg.Accounts.HealthCheck != "" {
		f.Path = srv.cfg.HealthCheck.TokenFile
	}
	return f
}
