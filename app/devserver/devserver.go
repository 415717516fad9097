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
	if err := checkPorts(opts); err != nil {
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

// ListenError is returned for an address that cannot be used.
type ListenError struct {
	Clients bool // it is the one for clients
	Err     error
}

func (e *ListenError) Error() string { return "nats-server: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// checkPorts returns a ListenError if an address of the server is in use.
func checkPorts(opts *server.Options) error {
	client := opts.Port
	if client == 0 { // not set in the file
		client = server.DEFAULT_PORT
	}
	for _, a := range []struct {
		host string
		port int
	}{{opts.Host, client}, {opts.Gateway.Host, opts.Gateway.Port}, {opts.LeafNode.Host, opts.LeafNode.Port}} {
		if a.port == 0 || a.port == server.RANDOM_PORT {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(a.host, strconv.Itoa(a.port))) //nolint:noctx // closed at once
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			return &ListenError{Clients: a.port == client, Err: err}
		}
	}
	return nil
}

// Gateways returns the number of gateways that the server is connected to.
func (s *Server) Gateways() int { return s.srv.NumOutboundGateways() }

// GatewayAddress returns HOST:PORT at which other servers reach this one. It is empty if
// the server has no gateway.
func (s *Server) GatewayAddress() string {
	if a := s.srv.GatewayAddr(); a != nil {
		return a.String()
	}
	return ""
}

// LeafNodes returns the number of leaf nodes that have joined the server.
func (s *Server) LeafNodes() int { return s.srv.NumLeafNodes() }
