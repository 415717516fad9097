// Package listener serves HTTP within limits that all listeners of usher share: the number
// of connections, in total and from one address; the size of a header; and the time that a
// client may take to send a request or to read its response.
//
// It promises that clients cannot take the file descriptors that the process needs for
// NATS (Share), and that it logs what net/http reports, a few lines a second. It does
// not depend on the handler.
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

// The limits of every listener. A handler that needs more time sets its own deadlines.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	maxHeader         = 16 << 10 // bytes
)

// Config says what is served, and where.
type Config struct {
	Name           string // key of the configuration, for errors and the log: "http.listen"
	Address        string // HOST:PORT; port 0 selects a free one
	Handler        http.Handler
	TLS            *tls.Config // nil: without TLS
	MaxConnections int         // in total; one address (IPv6: one /64 network) gets a quarter of them
	Log            *slog.Logger
}

// Server is a running listener.
type Server struct {
	server   *http.Server
	listener net.Listener
}

// Start listens, and serves until Stop. Its error is that of listening.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	s := &Server{listener: l, server: &http.Server{
		Handler: cfg.Handler, TLSConfig: cfg.TLS, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: log.New(&errorLog{log: cfg.Log, name: cfg.Name}, "", 0),
	}}
	limited := newLimitListener(l, cfg.MaxConnections, maxPerHost(cfg.MaxConnections))
	serve := func() error { return s.server.Serve(limited) }
	if cfg.TLS != nil {
		serve = func() error { return s.server.ServeTLS(limited, "", "") }
	}
	go func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "listener failed",
				slog.String("listener", cfg.Name), slog.String("error", err.Error()))
		}
	}()
	return s, nil
}

// maxPerHost is how many connections one address may have, so that others get some too.
func maxPerHost(connections int) int { return max(1, connections/4) }

// Addr returns the address of the listener.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Stop closes the listener. It waits for requests until the timeout, and then closes their
// connections. A nil Server was never started.
func (s *Server) Stop(timeout time.Duration) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
}
