package callouttest

import (
	"fmt"
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
	AdminUser   = "admin" // in AppAccount, unlimited, without auth callout
	SystemUser  = "sys"   // in SystemAccount
	Password    = "test-password"
)

// ServerConfig configures a Server. Only Keys is required.
type ServerConfig struct {
	Name    string // default "test"
	Keys    Keys
	Sealed  bool     // requests are sealed to Keys.XKey
	TLS     *CA      // clients must use TLS
	Verify  bool     // with TLS: clients of every transport need a certificate of the CA
	Routes  []string // URLs of the other servers of the cluster
	Cluster bool     // the server listens for routes
	Timeout float64  // auth timeout in seconds; default 2
	LogFile string   // default: no log
	Extra   string   // appended to the configuration file
	Cookies bool     // WebSocket clients can have their credential in the cookies of this package
	// NKey is the public nkey of another user of CalloutAccount. A server sends a nonce
	// only if its configuration has a user with an nkey.
	NKey string
	// SystemUsers are further users of SystemAccount, and AuthUsers further names of
	// auth_users, as nats-server's configuration has them.
	SystemUsers, AuthUsers []string
	// NoCallout disables auth_callout. nats-server denies all users of the callout
	// account to publish authorization requests. Through a server without auth_callout
	// in the same cluster, a test can publish forged requests.
	NoCallout bool
	// LameDuck is the lame duck grace period, in which clients can move to another
	// server before Stop closes their connections; default almost none.
	LameDuck time.Duration
	// Process runs the server as a process, which Stop kills, for tests that stop it
	// while clients connect. ID, NATSServer and SetServiceUser do not work then.
	Process bool
	// Program is the nats-server of any version to run as a process.
	Program string
	// ShortFirstPing lets a server in process send its first PING 2 s after a client
	// connects, as it does by default. That PING makes nats.go give up a handshake that is
	// not complete, whatever its timeout, as on a busy machine.
	ShortFirstPing bool
}

// Server is a real nats-server, by default in process. It listens on loopback for
// NATS, WebSocket, MQTT and leaf nodes.
type Server struct {
	cfg     ServerConfig
	file    string
	port    int
	srv     *server.Server
	program string // nats-server to run as a process; empty: in process
	process *process
}

// StartServer starts a Server. It stops when the test ends.
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

// Start starts the server again after Stop, with the same port and state.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	if s.program != "" {
		s.process = startProcess(tb, s.program, s.file, s.Addr())
		return
	}
	s.srv = runServer(tb, s.file, func(opts *server.Options) {
		opts.DisableShortFirstPing = !s.cfg.ShortFirstPing
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

// SetServiceUser replaces the options of ServiceUser in the configuration file, such
// as `password: "x", permissions: {…}`, and reloads it.
func (s *Server) SetServiceUser(tb testing.TB, options string) {
	tb.Helper()
	text, err := os.ReadFile(s.file)
	Must(tb, err)
	user := regexp.MustCompile(`(?m)\{user: ` + ServiceUser + `, .*\}(\] \})$`)
	Must(tb, os.WriteFile(s.file, user.ReplaceAll(text, fmt.Appendf(nil, "{user: %s, %s}$1", ServiceUser, strings.ReplaceAll(options, "$", "$$"))), 0o600))
	s.reload(tb)
}

// Reload appends text to the configuration file and reloads it.
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
	// A server keeps its resolver. It would compare it with the new one, whose goroutine
	// takes a lock at the same time.
	if r := srv.AccountResolver(); r != nil && opts.AccountResolver != nil {
		opts.AccountResolver.Close()
		opts.AccountResolver = r
	}
	Must(tb, srv.ReloadOptions(opts))
}

// SetKeys writes other keys to the configuration file. They take effect when the
// server starts again, because it cannot reload auth_callout.
func (s *Server) SetKeys(tb testing.TB, keys Keys) {
	tb.Helper()
	s.cfg.Keys = keys
	Must(tb, os.WriteFile(s.file, []byte(s.text(tb)), 0o600))
}

// ID returns the server's public nkey, "N…".
func (s *Server) ID() string { return s.srv.ID() }

// NATSServer returns the server in process.
func (s *Server) NATSServer() *server.Server { return s.srv }

// URL returns the URL for NATS clients.
func (s *Server) URL() string {
	scheme := "nats"
	if s.cfg.TLS != nil {
		scheme = "tls"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.port)
}

// Addr returns the host and port for NATS clients.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// WebSocketURL returns the URL for WebSocket clients.
func (s *Server) WebSocketURL() string {
	return webSocketURL(s.port+1, s.cfg.Verify)
}

// MQTTURL returns the URL for MQTT clients.
func (s *Server) MQTTURL() string { return mqttURL(s.port+2, s.cfg.Verify) }

// LeafAddr returns the host and port for leaf nodes.
func (s *Server) LeafAddr() string { return fmt.Sprintf("127.0.0.1:%d", s.port+3) }

// RouteURL returns the URL for the routes of other servers.
func (s *Server) RouteURL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.port+4) }

// Connect connects as a static user, without auth callout.
func (s *Server) Connect(tb testing.TB, user string) *nats.Conn {
	tb.Helper()
	opts := []nats.Option{nats.UserInfo(user, Password), ConnectTimeout()}
	if s.cfg.TLS != nil {
		opts = append(opts, s.cfg.TLS.secure(tb, s.cfg.Verify))
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
	if s.cfg.TLS != nil {
		line("%s", s.cfg.TLS.serverBlock(tb, s.cfg.Verify))
	}
	l := listeners{port: s.port, ca: s.cfg.TLS, verify: s.cfg.Verify, cookies: s.cfg.Cookies}
	line("%s", l.webSocket(tb))
	line("%s", l.leafNodes(tb))
	if s.cfg.Cluster {
		quoted := make([]string, len(s.cfg.Routes))
		for i, r := range s.cfg.Routes {
			quoted[i] = fmt.Sprintf("%q", r)
		}
		line("cluster { name: C, listen: \"127.0.0.1:%d\", routes: [%s] }", s.port+4, strings.Join(quoted, ", "))
	} else {
		line("%s", l.mqtt(tb))
		line("jetstream { store_dir: %q }", filepath.ToSlash(tb.TempDir()))
	}
	js := ""
	if !s.cfg.Cluster {
		js = "jetstream: enabled, "
	}
	line("accounts {")
	nkey := ""
	if s.cfg.NKey != "" {
		nkey = fmt.Sprintf("{nkey: %s}, ", s.cfg.NKey)
	}
	line("  %s { users: [%s{user: %s, password: %q}] }", CalloutAccount, nkey, ServiceUser, Password)
	line("  %s { %susers: [{user: %s, password: %q}] }", AppAccount, js, AdminUser, Password)
	line("  %s { %susers: [] }", OtherAccount, js)
	line("  %s { users: [] }", HealthAccount)
	system := append([]string{fmt.Sprintf("{user: %s, password: %q}", SystemUser, Password)}, s.cfg.SystemUsers...)
	line("  %s { users: [%s] }", SystemAccount, strings.Join(system, ", "))
	line("}")
	line("system_account: %s", SystemAccount)
	line("authorization {")
	line("  timeout: %g", s.cfg.Timeout)
	if !s.cfg.NoCallout {
		users := append([]string{ServiceUser, AdminUser, SystemUser}, s.cfg.AuthUsers...)
		line("  auth_callout { issuer: %s, account: %s, auth_users: [%s]", s.cfg.Keys.Issuer, CalloutAccount, strings.Join(users, ", "))
		if s.cfg.Sealed {
			line("    xkey: %s", s.cfg.Keys.XKey)
		}
		line("  }")
	}
	line("}")
	b.WriteString(s.cfg.Extra)
	return b.String()
}
