package callouttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"usher/app/devserver"
)

// OperatorServer is one nats-server of an Operator. It runs in process and listens on
// loopback for NATS, WebSocket, MQTT and leaf nodes.
type OperatorServer struct {
	Name string
	file string
	port int
	tls  *CA
	srv  *server.Server

	verify bool

	program string // nats-server to run as a process; empty: in process
	process *process
}

func (o *Operator) serverConfig(tb testing.TB, s *OperatorServer, ports []int) string {
	tb.Helper()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("server_name: %q", s.Name)
	line("listen: 127.0.0.1:%d", s.port)
	l := listeners{port: s.port, ca: s.tls, verify: s.verify, cookies: o.cfg.Cookies, jwtCookie: o.cfg.Cookies}
	line("%s", l.webSocket(tb))
	line("%s", l.leafNodes(tb))
	if len(ports) > 1 {
		var routes []string
		for _, p := range ports {
			routes = append(routes, fmt.Sprintf("\"nats://127.0.0.1:%d\"", p+4))
		}
		line("cluster { name: C, listen: \"127.0.0.1:%d\", routes: [%s] }", s.port+4, strings.Join(routes, ", "))
	} else {
		line("%s", l.mqtt(tb))
		line("jetstream { store_dir: %q }", filepath.ToSlash(tb.TempDir()))
	}
	if s.tls != nil {
		line("%s", s.tls.serverBlock(tb, s.verify))
	}
	line("operator: %q", filepath.ToSlash(filepath.Join(o.JWTDir, "operator.jwt")))
	line("system_account: %s", o.Accounts[SystemAccount])
	if o.cfg.Memory {
		line("resolver: MEMORY")
	} else {
		line("resolver { type: full, dir: %q, interval: \"2s\" }", filepath.ToSlash(filepath.Join(o.Dir, "jwt-"+s.Name)))
	}
	line("resolver_preload {")
	for _, name := range OperatorAccounts() {
		text, err := os.ReadFile(o.accountFile(name))
		Must(tb, err)
		line("  %s: %s", o.Accounts[name], text)
	}
	line("}")
	if !o.cfg.NoSentinel {
		line("default_sentinel: %s", o.SentinelJWT)
	}
	line("authorization { timeout: %g }", o.cfg.Timeout)
	b.WriteString(o.cfg.ServerExtra)
	return b.String()
}

// File returns the path of the server's configuration file.
func (s *OperatorServer) File() string { return s.file }

// Start starts the server, also again after Stop.
func (s *OperatorServer) Start(tb testing.TB) {
	tb.Helper()
	if s.program != "" {
		s.process = startProcess(tb, s.program, s.file, fmt.Sprintf("127.0.0.1:%d", s.port))
		return
	}
	s.srv = runServer(tb, s.file, func(*server.Options) {})
}

// Reload makes the server reload its configuration.
func (s *OperatorServer) Reload(tb testing.TB) {
	tb.Helper()
	if s.program != "" {
		s.process.reload(tb)
		return
	}
	reloadServer(tb, s.srv, s.file)
}

// Stop stops the server and waits until it has stopped.
func (s *OperatorServer) Stop() {
	if s.program != "" {
		s.process.kill()
		return
	}
	devserver.Shutdown(s.srv)
}

// AccountOf returns the account of the client connection with this ID.
func (s *OperatorServer) AccountOf(tb testing.TB, id uint64) string {
	tb.Helper()
	connz, err := s.srv.Connz(&server.ConnzOptions{CID: id, Username: true})
	Must(tb, err)
	if len(connz.Conns) != 1 {
		tb.Fatalf("no connection %d", id)
	}
	return connz.Conns[0].Account
}

// NATSServer returns the server in process.
func (s *OperatorServer) NATSServer() *server.Server { return s.srv }

// URL returns the URL for NATS clients.
func (s *OperatorServer) URL() string {
	scheme := "nats"
	if s.tls != nil {
		scheme = "tls"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.port)
}

// WebSocketURL returns the URL for WebSocket clients.
func (s *OperatorServer) WebSocketURL() string { return webSocketURL(s.port+1, s.verify) }

// MQTTURL returns the URL for MQTT clients. A server in a cluster does not listen for
// MQTT.
func (s *OperatorServer) MQTTURL() string { return mqttURL(s.port+2, s.verify) }

// LeafAddr returns the host and port for leaf nodes.
func (s *OperatorServer) LeafAddr() string { return fmt.Sprintf("127.0.0.1:%d", s.port+3) }
