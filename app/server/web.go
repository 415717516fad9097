package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"usher/internal/fault"

	"usher/api/listener"
	"usher/callout"
	"usher/internal/metrics"
	"usher/internal/secret"
)

// startWeb serves /metrics, /healthz (the process is alive) and /readyz (requests reach
// usher, and usher can decide them).
func (srv *Server) startWeb(ctx context.Context) error {
	if srv.cfg.HTTP.Listen == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(srv.registry))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { probe(w, nil, "") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		probe(w, srv.Ready(), srv.verifierDetail()+srv.bridge.detail()+srv.exchangeDetail()+srv.push.Detail())
	})
	var err error
	srv.web, err = listener.Start(ctx, listener.Config{
		Name: "http.listen", Address: srv.cfg.HTTP.Listen, Handler: mux, MaxConnections: srv.connections.Web, Log: srv.log,
	})
	if err != nil {
		return listenFailed("http.listen", err)
	}
	srv.log.LogAttrs(ctx, slog.LevelInfo, "metrics and probes", slog.String("listen", srv.web.Addr().String()))
	return nil
}

// ListenError says that a listener of usher did not start.
type ListenError struct {
	Key string // of its address in the configuration: api.listen, api.x509.listen or http.listen
	Err error
}

// Error implements error.
func (e *ListenError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

func listenFailed(key string, err error) error {
	e := &fault.Error{Kind: fault.Runtime, Err: &ListenError{Key: key, Err: err}}
	if listener.InUse(err) {
		e.Hint = "is another usher running? give each its own " + key
	}
	return e
}

// connected returns how many service connections are up, and how many there are.
func (srv *Server) connected() (connected, of int) {
	if !srv.started.Load() {
		return 0, srv.cfg.NATS.Connections
	}
	return srv.service.Connected()
}

func (srv *Server) load() callout.Load {
	if !srv.started.Load() {
		return callout.Load{}
	}
	return srv.service.Load()
}

// Ready returns nil if usher is connected and subscribed and has loaded the directory. A
// draining usher is not ready.
func (srv *Server) Ready() error {
	if srv.Parts.Store.Snapshot() == nil {
		return errors.New("no directory is loaded")
	}
	if !srv.started.Load() {
		return errors.New("not started yet")
	}
	return cmp.Or(srv.service.Ready(), srv.sessions.exchanging())
}

// probe answers ok with a detail, or why it is not.
func probe(w http.ResponseWriter, err error, detail string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintln(w, secret.RedactDetected(err.Error()))
		return
	}
	_, _ = fmt.Fprint(w, "ok\n"+detail)
}
