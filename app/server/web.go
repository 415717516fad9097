package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"usher/internal/fault"

	"usher/api/listener"
	"usher/callout"
	"usher/internal/secret"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// startWeb serves /metrics, /healthz (the process lives) and /readyz
// (requests can reach it, and it could decide them).
func (in *Server) startWeb(ctx context.Context) error {
	if in.cfg.HTTP.Listen == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(in.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { probe(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { probe(w, in.Ready()) })
	var err error
	in.web, err = listener.Start(ctx, listener.Config{
		Name: "http.listen", Address: in.cfg.HTTP.Listen, Handler: mux, MaxConnections: in.connections.Web, Log: in.log,
	})
	if err != nil {
		return listenFailed(err)
	}
	in.log.LogAttrs(ctx, slog.LevelInfo, "metrics and probes", slog.String("listen", in.web.Addr().String()))
	return nil
}

func listenFailed(err error) error {
	e := &fault.Error{Kind: fault.Runtime, Err: err}
	if listener.InUse(err) {
		e.Hint = "another usher? give each its own http.listen"
	}
	return e
}

// connected returns how many service connections are connected, of how many.
func (in *Server) connected() (connected, of int) {
	if !in.started.Load() {
		return 0, in.cfg.NATS.Connections
	}
	return in.service.Connected()
}

func (in *Server) load() callout.Load {
	if !in.started.Load() {
		return callout.Load{}
	}
	return in.service.Load()
}

// Ready: connected, subscribed, directory loaded. Draining is not ready.
func (in *Server) Ready() error {
	if in.Parts.Store.Snapshot() == nil {
		return errors.New("no directory is loaded")
	}
	if !in.started.Load() {
		return errors.New("not started yet")
	}
	return in.service.Ready()
}

func probe(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintln(w, secret.RedactDetected(err.Error()))
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}
