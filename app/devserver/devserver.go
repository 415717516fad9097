// Package devserver runs a real nats-server in this process, for "usher dev", and reads
// configuration files as nats-server does, for "usher check".
// Only this package and the test harness import nats-server; the service itself
// works with whatever nats-server the operator runs.
package devserver

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyWithin is how long the server may take to start.
const readyWithin = 20 * time.Second

// Config says what to run.
type Config struct {
	ConfigFile string // a nats-server.conf
	Listen     string // HOST:PORT in place of what the file says; empty: as the file says
	LogFile    string
}

// Server is a running nats-server.
type Server struct{ srv *server.Server }

// Start starts a nats-server and waits until it takes connections.
func Start(cfg Config) (*Server, error) {
	opts, err := server.ProcessConfigFile(cfg.ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	if cfg.Listen != "" {
		if err := listen(opts, cfg.Listen); err != nil {
			return nil, err
		}
	}
	// A taken port would end the whole process from inside nats-server.
	if err := available(opts); err != nil {
		return nil, err
	}
	opts.NoSigs = true
	Leave(opts)
	opts.LogFile = filepath.ToSlash(cfg.LogFile)
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	srv.ConfigureLogger()
	srv.Start()
	if !srv.ReadyForConnections(readyWithin) {
		Shutdown(srv)
		return nil, fmt.Errorf("nats-server did not become ready: see %s", cfg.LogFile)
	}
	return &Server{srv}, nil
}

// URL returns the URL for clients.
func (s *Server) URL() string { return s.srv.ClientURL() }

// Stop ends the server and waits until it has ended.
func (s *Server) Stop() { Shutdown(s.srv) }

// Shutdown ends a nats-server of this process and waits until it has ended.
//
// nats-server 2.15.2 takes connections until late in its Shutdown, and one that
// needs the auth callout then makes it panic (newRespInbox on what
// shutdownEventing has set to nil), which would end this process. So it stops
// listening first, and parts from its clients.
func Shutdown(srv *server.Server) {
	srv.LameDuckShutdown()
	srv.Shutdown()
	srv.WaitForShutdown()
}

// Leave sets how fast Shutdown parts from the clients: at once, near enough.
func Leave(opts *server.Options) {
	opts.LameDuckDuration, opts.LameDuckGracePeriod = 20*time.Millisecond, time.Millisecond
}

func listen(opts *server.Options, hostPort string) error {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return fmt.Errorf("listen address: %w", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("listen address: %w", err)
	}
	opts.Host, opts.Port = host, int(n)
	return nil
}

// available returns an error if something listens where the server would.
func available(opts *server.Options) error {
	port := opts.Port
	switch port {
	case 0: // the file does not say
		port = server.DEFAULT_PORT
	case server.RANDOM_PORT:
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(opts.Host, strconv.Itoa(port))) //nolint:noctx // closed at once
	if err != nil {
		return fmt.Errorf("nats-server: %w", err)
	}
	return l.Close()
}
