package server

import (
	"encoding/json"
	"errors"

	"usher/app/control"
)

// serveControl answers commands that ask the running ushers.
func (srv *Server) serveControl() error {
	if srv.configuration == nil { // it is not of a file
		return nil
	}
	x := srv.sessions.exchange
	return errors.Join(
		x.Serve(control.SubjectReload, func() []byte { return asJSON(srv.reload("usher reload")) }),
		x.Serve(control.SubjectConfiguration, func() []byte { return asJSON(srv.inForce()) }),
	)
}

func (srv *Server) inForce() *control.Configuration {
	answer := &control.Configuration{Instance: srv.service.Report().Instance, Host: hostName(), File: srv.configuration.File()}
	answer.Values, _ = srv.configuration.InForce().Texts() // a configuration that was loaded can be written
	return answer
}

func asJSON(v any) []byte {
	data, _ := json.Marshal(v) // of strings
	return data
}
