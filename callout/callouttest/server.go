package callouttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/app/devserver"
)

// The accounts and static users of every Server.
const (
	CalloutAccount = "AUTH"
	AppAccount     = "APP"
	OtherAccount   = "OTHER"
	HealthAccount  = "HEALTH"
	SystemAccount  = "SYS"

	ServiceUser = "usher" // in CalloutAccount
	AdminUser   = "admin" // in AppAccount, unlimited, past the callout
	SystemUser  = "sys"   // in SystemAccount
	Password    = "test-password"
)

// ServerConfig describes a Server. The zero value, with Keys, is a plain one.
type ServerConfig struct {
	Name    string // default "test"
	Keys    Keys
	Sealed  bool     // requests are sealed to Keys.XKey
	TLS     *CA      // clients must use TLS
	Routes  []string // cluster routes; with Name "…" set, the server listens for routes
	Cluster bool
	Timeout float64 // auth timeout in seconds; default 2
	LogFile string  // where the server logs to; default nowhere
	Extra   string  // appended to the configuration file
	// NoCallout leaves auth_callout out. nats-server denies everyone in the callout
	// account to publish where servers ask; through a bare server, which knows
	// of no callout account, a test can pose as one.
	NoCallout bool
	// LameDuck is how long Stop lets connections go elsewhere before it closes
	// them; default none to speak of.
	LameDuck time.Duration
	// Process makes it a process of its own, which Stop kills: for tests that
	// stop it while clients connect. ID, Native and SetServiceUser are not to be
	// had then.
	Process bool
	// Program is a nats-server to run as such a process, of any version.
	Program string
	// DisableShortFirstPing keeps the server from sending a PING 2 s after a client came, with which
	// nats.go gives up on a handshake that is not over, however patient it is told to be.
	DisableShortFirstPing bool
}

// Server is a real nats-server, in process if not asked otherwise. It listens
// on loopback for NATS, WebSocket, MQTT and leaf nodes.
type Server struct {
	cfg     ServerConfig
	file    string
	port    int
	srv     *server.Server
	program string // nats-server as a process of its own
	process *process
}

// StartServer starts a Server that ends with the test.
func StartServer(tb testing.TB, cfg ServerConfig) *Server {
	tb.Helper()
	if cfg.Name == "" {
		cfg.Name = "test"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2
	}
	s := &Server{cfg: cfg, file: filepath.Join(tb.TempDir(), "nats-server.conf"), port: FreePort(tb)}
	Must(tb, os.WriteFile(s.file, []byte(s.text(tb)), 0o600))
	s.program = cfg.Program
	if cfg.Process {
		s.program = Build(tb, "nats-server", NATSServerPackage)
	}
	s.Start(tb)
	tb.Cleanup(s.Stop)
	return s
}

// Start starts the server again after Stop, on the same port with the same state.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	if s.program != "" {
		s.process = startProcess(tb, s.program, s.file, s.Addr())
		return
	}
	s.srv = runServer(tb, s.file, func(opts *server.Options) {
		opts.DisableShortFirstPing = s.cfg.DisableShortFirstPing
		if s.cfg.LameDuck > 0 {
			opts.LameDuckGracePeriod = s.cfg.LameDuck
			opts.LameDuckDuration = s.cfg.LameDuck + 20*time.Millisecond
		}
		if s.cfg.LogFile != "" {
			opts.NoLog, opts.LogFile, opts.Debug = false, s.cfg.LogFile, true
		}
	})
}

// Stop ends the server and waits until it has.
func (s *Server) Stop() {
	if s.program != "" {
		s.process.kill()
		return
	}
	devserver.Shutdown(s.srv)
}

// SetServicePassword changes the password of ServiceUser in the configuration
// file and reloads it. Connections with another password are closed.
func (s *Server) SetServicePassword(tb testing.TB, password string) {
	tb.Helper()
	s.SetServiceUser(tb, fmt.Sprintf("password: %q", password))
}

// SetServiceUser changes everything about ServiceUser but its name in the
// configuration file, such as `password: "x", permissions: {…}`, and reloads it.
func (s *Server) SetServiceUser(tb testing.TB, options string) {
	tb.Helper()
	text, err := os.ReadFile(s.file)
	Must(tb, err)
	user := regexp.MustCompile(`(?m)\{user: ` + ServiceUser + `, .*\}(\] \})$`)
	Must(tb, os.WriteFile(s.file, user.ReplaceAll(text, fmt.Appendf(nil, "{user: %s, %s}$1", ServiceUser, strings.ReplaceAll(options, "$", "$$"))), 0o600))
	s.reload(tb)
}

// Reload appends a text to the configuration file and reloads it. A server that is a
// process of its own takes it over a little later.
func (s *Server) Reload(tb testing.TB, more string) {
	tb.Helper()
	text, err := os.ReadFile(s.file)
	Must(tb, err)
	Must(tb, os.WriteFile(s.file, append(text, more...), 0o600))
	if s.program != "" {
		s.process.reload(tb)
		return
	}
	s.reload(tb)
}

func (s *Server) reload(tb testing.TB) {
	tb.Helper()
	reloadServer(tb, s.srv, s.file)
}

func reloadServer(tb testing.TB, srv *server.Server, file string) {
	tb.Helper()
	opts, err := server.ProcessConfigFile(file)
	Must(tb, err)
	opts.NoLog, opts.NoSigs = true, true
	devserver.SetFastShutdown(opts)
	Must(tb, srv.ReloadOptions(opts))
}

// SetKeys writes other keys to the configuration file, which the server reads when
// it is started the next time: it refuses a reload of auth_callout.
func (s *Server) SetKeys(tb testing.TB, keys Keys) {
	tb.Helper()
	s.cfg.Keys = keys
	Must(tb, os.WriteFile(s.file, []byte(s.text(tb)), 0o600))
}

// ID returns the server's public nkey, "N…".
func (s *Server) ID() string { return s.srv.ID() }

// Native returns the server itself.
func (s *Server) Native() *server.Server { return s.srv }

// URL returns the URL for NATS clients.
func (s *Server) URL() string {
	scheme := "nats"
	if s.cfg.TLS != nil {
		scheme = "tls"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.port)
}

// Addr returns host and port for NATS clients.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// WebSocketURL returns the URL for WebSocket clients.
func (s *Server) WebSocketURL() string { return fmt.Sprintf("ws://127.0.0.1:%d", s.port+1) }

// MQTTURL returns the URL for MQTT clients.
func (s *Server) MQTTURL() string { return fmt.Sprintf("tcp://127.0.0.1:%d", s.port+2) }

// LeafAddr returns host and port for leaf nodes.
func (s *Server) LeafAddr() string { return fmt.Sprintf("127.0.0.1:%d", s.port+3) }

// RouteURL returns the URL for other servers of the cluster.
func (s *Server) RouteURL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.port+4) }

// Connect connects a static user, past the callout.
func (s *Server) Connect(tb testing.TB, user string) *nats.Conn {
	tb.Helper()
	opts := []nats.Option{nats.UserInfo(user, Password), ConnectTimeout()}
	if s.cfg.TLS != nil {
		opts = append(opts, nats.Secure(s.cfg.TLS.ClientTLS()))
	}
	nc, err := nats.Connect(s.URL(), opts...)
	Must(tb, err)
	tb.Cleanup(nc.Close)
	return nc
}

func (s *Server) text(tb testing.TB) string {
	tb.Helper()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("server_name: %q", s.cfg.Name)
	line("listen: 127.0.0.1:%d", s.port)
	line("websocket { listen: \"127.0.0.1:%d\", no_tls: true }", s.port+1)
	line("leafnodes { listen: \"127.0.0.1:%d\" }", s.port+3)
	if s.cfg.Cluster {
		quoted := make([]string, len(s.cfg.Routes))
		for i, r := range s.cfg.Routes {
			quoted[i] = fmt.Sprintf("%q", r)
		}
		line("cluster { name: C, listen: \"127.0.0.1:%d\", routes: [%s] }", s.port+4, strings.Join(quoted, ", "))
	} else {
		line("mqtt { listen: \"127.0.0.1:%d\" }", s.port+2)
		line("jetstream { store_dir: %q }", filepath.ToSlash(tb.TempDir()))
	}
	if s.cfg.TLS != nil {
		cert, key := s.cfg.TLS.Issue(tb, "localhost")
		line("tls { cert_file: %q, key_file: %q }", filepath.ToSlash(cert), filepath.ToSlash(key))
	}
	js := ""
	if !s.cfg.Cluster {
		js = "jetstream: enabled, "
	}
	line("accounts {")
	line("  %s { users: [{user: %s, password: %q}] }", CalloutAccount, ServiceUser, Password)
	line("  %s { %susers: [{user: %s, password: %q}] }", AppAccount, js, AdminUser, Password)
	line("  %s { %susers: [] }", OtherAccount, js)
	line("  %s { users: [] }", HealthAccount)
	line("  %s { users: [{user: %s, password: %q}] }", SystemAccount, SystemUser, Password)
	line("}")
	line("system_account: %s", SystemAccount)
	line("authorization {")
	line("  timeout: %g", s.cfg.Timeout)
	if !s.cfg.NoCallout {
		line("  auth_callout { issuer: %s, account: %s, auth_users: [%s, %s, %s]", s.cfg.Keys.Issuer, CalloutAccount, ServiceUser, AdminUser, SystemUser)
		if s.cfg.Sealed {
			line("    xkey: %s", s.cfg.Keys.XKey)
		}
		line("  }")
	}
	line("}")
	b.WriteString(s.cfg.Extra)
	return b.String()
}

// portsPerServer is how many ports in a row a Server takes.
const portsPerServer = 5

// FreePort returns the first of five ports in a row that nothing listens on, and
// that no other test is given until this one ends: a server that is stopped and
// started again finds its ports free. They lie below the range that clients get
// theirs from.
func FreePort(tb testing.TB) int {
	tb.Helper()
	const claim = 1 // the port before them, which is listened on while they are given away
	for range 200 {
		port := 10000 + rand.IntN(20000/(claim+portsPerServer))*(claim+portsPerServer)
		claimed, err := listen(tb, port)
		if err != nil {
			continue
		}
		if free(tb, port+claim) {
			tb.Cleanup(func() { _ = claimed.Close() })
			return port + claim
		}
		_ = claimed.Close()
	}
	tb.Fatal("no five free ports in a row")
	return 0
}

func free(tb testing.TB, first int) bool {
	tb.Helper()
	for port := first; port < first+portsPerServer; port++ {
		l, err := listen(tb, port)
		if err != nil || l.Close() != nil {
			return false
		}
	}
	return true
}

func listen(tb testing.TB, port int) (net.Listener, error) {
	tb.Helper()
	var config net.ListenConfig
	return config.Listen(tb.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
}
