package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"usher/callout"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// web is a listener with what it serves.
type web struct {
	server   *http.Server
	listener net.Listener
}

// startWeb serves /metrics, /healthz (the process lives) and /readyz
// (requests can reach it, and it could decide them).
func (in *instance) startWeb(ctx context.Context) error {
	if in.cfg.HTTP.Listen == "" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", in.cfg.HTTP.Listen)
	if err != nil {
		return listenFailed(fmt.Errorf("http.listen: %w", err))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(in.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { probe(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { probe(w, in.ready()) })
	in.web = &web{listener: l, server: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}}
	go func() {
		if err := in.web.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			in.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "metrics listener ended", slog.String("error", err.Error()))
		}
	}()
	in.log.LogAttrs(ctx, slog.LevelInfo, "metrics and probes", slog.String("listen", l.Addr().String()))
	return nil
}

// errTakenWindows is what Windows says for EADDRINUSE; elsewhere no error has this number.
const errTakenWindows = syscall.Errno(10048)

func listenFailed(err error) error {
	e := &exitError{code: exitRuntime, err: err}
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, errTakenWindows) {
		e.hint = "another usher? give each its own http.listen"
	}
	return e
}

// stop ends the listener, and its requests within the time given.
func (w *web) stop(within time.Duration) {
	if w == nil {
		return // off
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if w.server.Shutdown(ctx) != nil {
		_ = w.server.Close() // whoever hangs does not keep us
	}
}

// connected returns how many service connections are connected, of how many.
func (in *instance) connected() (connected, of int) {
	if !in.started.Load() {
		return 0, in.cfg.NATS.Connections
	}
	return in.service.Connected()
}

func (in *instance) load() callout.Load {
	if !in.started.Load() {
		return callout.Load{}
	}
	return in.service.Load()
}

// ready: connected, subscribed, directory loaded. Draining is not ready.
func (in *instance) ready() error {
	if in.parts.store.Snapshot() == nil {
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
		_, _ = fmt.Fprintln(w, err)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}
