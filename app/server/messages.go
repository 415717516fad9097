package server

import (
	"usher/app/assembly"
	"usher/app/healthtoken"
	messages "usher/app/messages/service"
)

// prepareMessages makes what serves the messages of projects, and connects nothing.
func (srv *Server) prepareMessages() (err error) {
	if srv.serviceTokens, err = assembly.ServiceTokens(srv.cfg); err != nil {
		return err
	}
	srv.messages, err = messages.New(&messages.Config{
		Config: srv.cfg, Keyring: srv.Parts.Keyring.Keyring, Snapshot: srv.Parts.Store.Snapshot, Now: srv.Parts.Now, Log: srv.log,
	})
	return err
}

// healthToken is the file for usher healthcheck.
func (srv *Server) healthToken() *healthtoken.File {
	f := &healthtoken.File{Keyring: srv.Parts.Keyring.Keyring, Now: srv.Parts.Now, Log: srv.log}
	if srv.cfg.Accounts.HealthCheck != "" {
		f.Path = srv.cfg.HealthCheck.TokenFile
	}
	return f
}
