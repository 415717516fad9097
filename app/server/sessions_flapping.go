package server

import (
	"net/netip"

	"usher/app/sessions/flapping"
)

// prepareFlapping makes what bans sources that connect again and again; nil: nothing does.
func (srv *Server) prepareFlapping() *flapping.Detector {
	cfg := &srv.cfg.Sessions.Flapping
	if cfg.Connects == 0 {
		return nil
	}
	own := flapping.Config{
		Connects: cfg.Connects, Within: cfg.Within, BanFor: cfg.BanFor,
		Snapshot: srv.Parts.Store.Snapshot, Change: srv.changeBans, Log: srv.log, Now: srv.Parts.Now,
	}
	for _, kind := range cfg.By {
		own.By = append(own.By, flapping.Kind(kind))
	}
	for _, text := range cfg.Except {
		own.Except = append(own.Except, netip.MustParsePrefix(text)) // the configuration has checked it
	}
	d := flapping.New(own)
	srv.audit.Observe(d.Decided)
	return d
}
