// Package devserver embeds nats-server: as the server of "usher dev" (Server), as the
// store of a directory that is embedded (Store), and as the parser of configuration files
// for "usher check" (Read).
//
// It promises that no nats-server ends the process, and that a stopped server has released
// its files and ports. Only this package and the test harness import nats-server; usher
// itself works with the nats-server that the operator runs.
package devserver

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startTimeout is how long a server may take to start.
const startTimeout = 20 * time.Second

// Config configures a Server.
type Config struct {
	ConfigFile string // path of a nats-server.conf
	Listen     string // HOST:PORT that overrides the file; empty: as in the file
	LogFile    string // path of the log file
}

// Server is a running nats-server.
type Server struct {
	srv *server.Server
	cfg Config
}

// Start starts a nats-server and waits until it accepts connections.
func Start(cfg Config) (*Server, error) {
	opts, err := cfg.options()
	if err != nil {
		return nil, err
	}
	// nats-server would end the process if the port is in use.
	if err := checkPort(opts); err != nil {
		return nil, err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	srv.ConfigureLogger()
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		Shutdown(srv)
		return nil, fmt.Errorf("nats-server did not become ready: see %s", cfg.LogFile)
	}
	return &Server{srv, cfg}, nil
}

// options reads the configuration file.
func (cfg Config) options() (*server.Options, error) {
	opts, err := server.ProcessConfigFile(cfg.ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	if cfg.Listen != "" {
		if err := setListen(opts, cfg.Listen); err != nil {
			return nil, err
		}
	}
	opts.NoSigs = true
	SetFastShutdown(opts)
	opts.LogFile = filepath.ToSlash(cfg.LogFile)
	return opts, nil
}

// Reload reads the configuration file and the certificates that it names again, as SIGHUP
// makes nats-server do. On an error the server goes on as before.
func (s *Server) Reload() error {
	opts, err := s.cfg.options()
	if err != nil {
		return err
	}
	return s.srv.ReloadOptions(opts)
}

// URL returns the URL for clients.
func (s *Server) URL() string { return s.srv.ClientURL() }

// Stop stops the server and waits until it has stopped.
func (s *Server) Stop() { Shutdown(s.srv) }

// Shutdown stops a nats-server of this process and waits until it has stopped.
//
// nats-server 2.15.2 accepts connections until late in its Shutdown. A connection that
// needs the auth callout then makes it panic (newRespInbox uses what shutdownEventing has
// set to nil), which would end this process. Lame duck mode closes the listener and the
// client connections first.
func Shutdown(srv *server.Server) {
	srv.LameDuckShutdown()
	srv.Shutdown()
	srv.WaitForShutdown()
}

// SetFastShutdown makes Shutdown close the client connections almost at once.
func SetFastShutdown(opts *server.Options) {
	opts.LameDuckDuration, opts.LameDuckGracePeriod = 20*time.Millisecond, time.Millisecond
}

func setListen(opts *server.Options, hostPort string) error {
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

// checkPort returns an error if the server's address is in use.
func checkPort(opts *server.Options) error {
	port := opts.Port
	switch port {
	case 0: // not set in the file
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

// Gateways returns the number of gateways that the server is connected to.
func (s *Server) Gateways() int { return s.srv.NumOutboundGateways() }

// LeafNodes returns the number of leaf nodes that have joined the server.
func (s *Server) LeafNodes() int { return s.srv.NumLeafNodes() }
