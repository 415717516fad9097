// Package devserver runs a real nats-server in this process, for "usher dev".
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
	opts.LogFile = filepath.ToSlash(cfg.LogFile)
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	srv.ConfigureLogger()
	srv.Start()
	if !srv.ReadyForConnections(readyWithin) {
		srv.Shutdown()
		return nil, fmt.Errorf("nats-server did not become ready: see %s", cfg.LogFile)
	}
	return &Server{srv}, nil
}

// URL returns the URL for clients.
func (s *Server) URL() string { return s.srv.ClientURL() }

// Stop ends the server and waits until it has ended.
func (s *Server) Stop() {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
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
