// Package listener serves HTTP within limits, the same for every listener of usher:
// how many connections there are, of all and of one address, how large a header is,
// and how long somebody may take to send a request or to read its answer.
//
// It promises that whoever reaches a listener cannot take the descriptors that the
// process needs for NATS (Share), and that what net/http complains of is logged, a
// few lines a second. It knows nothing of what is served.
package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The limits of every listener. A handler that takes longer sets deadlines of its own.
const (
	readHeader = 5 * time.Second
	readAll    = 10 * time.Second
	write      = 30 * time.Second
	idle       = time.Minute
	maxHeader  = 16 << 10 // bytes
)

// Config says what is served, and where.
type Config struct {
	Name        string // key of the configuration, for errors and the log: "http.listen"
	Address     string // HOST:PORT; port 0 takes a free one
	Handler     http.Handler
	TLS         *tls.Config // nil: in the clear
	Connections int         // at most; a quarter of them from one address (IPv6: network of 64 bits)
	Log         *slog.Logger
}

// Server is a listener that serves.
type Server struct {
	server   *http.Server
	listener net.Listener
}

// Start listens, and serves until Stop. An error is that of listening.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	s := &Server{listener: l, server: &http.Server{
		Handler: cfg.Handler, TLSConfig: cfg.TLS, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: readHeader, ReadTimeout: readAll, WriteTimeout: write, IdleTimeout: idle,
		ErrorLog: log.New(&complaints{log: cfg.Log, name: cfg.Name}, "", 0),
	}}
	limited := newLimitListener(l, cfg.Connections, perHost(cfg.Connections))
	serve := func() error { return s.server.Serve(limited) }
	if cfg.TLS != nil {
		serve = func() error { return s.server.ServeTLS(limited, "", "") }
	}
	go func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "a listener has ended",
				slog.String("listener", cfg.Name), slog.String("error", err.Error()))
		}
	}()
	return s, nil
}

// perHost is how many of so many connections one address may hold, so that it
// leaves room for the others.
func perHost(connections int) int { return max(1, connections/4) }

// Addr returns the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Stop ends the listener, and its requests within the time given. The nil Server is
// one that was never started.
func (s *Server) Stop(within time.Duration) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close() // whoever hangs does not keep us
	}
}
