package callout_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// feature is a feature, besides the transports, that depends on the release of
// nats-server.
type feature struct {
	name  string    // in docs/reference/compatibility.md
	since []release // first release with it in each line, in order
	works func(t *testing.T)
	lacks func(t *testing.T) // checks a server without it
}

func features() []feature {
	files := func(name string, o setup.Options, since release) feature {
		unknown := ""
		if o.Operator {
			unknown = "default_sentinel"
		}
		return feature{
			name: "the files of `usher init" + name + "`", since: []release{since},
			works: func(t *testing.T) { t.Helper(); startSetup(t, o) },
			lacks: func(t *testing.T) {
				t.Helper()
				dir := writeSetup(t, o)
				expectConfigError(t, filepath.Join(dir, setup.FileServerConfig), unknown)
			},
		}
	}
	return []feature{
		files("", setup.Options{}, firstCallout),
		files(" --operator", setup.Options{Operator: true}, firstSentinel),
		{
			name: "the files of `usher init --event-gateway`: both servers start, and usher connects with TLS", since: []release{firstCallout},
			works: startEventGateway,
		},
		{
			name: "a directory in NATS, `usher init --kv`", since: []release{firstAtomic},
			works: func(t *testing.T) {
				t.Helper()
				store, log := openDirectory(t)
				callouttest.Eventually(t, "the directory is loaded", func() bool { return store.Snapshot() != nil })
				next, err := store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
					return append(userEntries("ann"), userEntries("ben")...), nil
				})
				if err != nil || next.Size().Users != 2 {
					t.Errorf("change two users: %v\n%s", err, log)
				}
			},
			lacks: func(t *testing.T) {
				t.Helper()
				store, log := openDirectory(t)
				callouttest.Eventually(t, "the log names the required nats-server", func() bool {
					return strings.Contains(log.String(), "nats-server "+strings.TrimSuffix(firstAtomic.String(), ".0")+" or later")
				})
				if store.Snapshot() != nil {
					t.Error("the directory is loaded")
				}
			},
		},
		{
			name: "`allowed_accounts` in `auth_callout`, in config mode: static users of other accounts connect without auth callout", since: []release{firstAllowed},
			works: func(t *testing.T) {
				t.Helper()
				port := callouttest.FreePort(t)
				callouttest.RunServerFile(t, *serverProgram, allowedAccountsConfig(t, port), address(port))
				// No service is running, so users that need auth callout are refused.
				callouttest.Must(t, attempt("nats://"+address(port), nats.UserInfo("static", "s")))
				if attempt("nats://"+address(port), nats.UserInfo("delegated", "s")) == nil {
					t.Error("a user of an allowed account connected without auth callout")
				}
			},
			lacks: func(t *testing.T) {
				t.Helper()
				expectConfigError(t, allowedAccountsConfig(t, callouttest.FreePort(t)), "allowed_accounts")
			},
		},
		{
			name: "config mode: clients stay connected after a reload that does not change `auth_callout`", since: []release{{2, 14, 10}, {2, 15, 3}},
			works: func(t *testing.T) {
				t.Helper()
				callouttest.Must(t, connectAndReload(t).FlushTimeout(testTimeout))
			},
			lacks: func(t *testing.T) {
				t.Helper()
				callouttest.Eventually(t, "the client is disconnected", connectAndReload(t).IsClosed)
			},
		},
		{
			name: "isolation: a second CONNECT ends the subscriptions of the first", since: firstEndsFirst,
			works: func(t *testing.T) {
				t.Helper()
				checkSecondConnect(t, 0)
			},
			lacks: func(t *testing.T) {
				t.Helper()
				checkSecondConnect(t, 1)
			},
		},
		{
			name: "isolation: no trace (`Nats-Trace-Dest`) to a subject to which the publisher may not publish", since: firstChecksTrace,
			works: func(t *testing.T) {
				t.Helper()
				checkTrace(t, false)
			},
			lacks: func(t *testing.T) {
				t.Helper()
				checkTrace(t, true)
			},
		},
	}
}

// checkSecondConnect checks how many messages a subscription gets after a second
// CONNECT, to its own account and to another.
func checkSecondConnect(t *testing.T, want int) {
	t.Helper()
	for _, account := range []string{callouttest.AppAccount, callouttest.OtherAccount} {
		if got := messagesAfterSecondConnect(t, account); len(got) != want {
			t.Errorf("second CONNECT to account %s: the subscription of the first gets %q", account, got)
		}
	}
}

// Every release supports the features that docs/reference/compatibility.md lists for it,
// and refuses the others.
func TestFeatures(t *testing.T) {
	t.Parallel()
	release := serverRelease(t)
	for _, f := range features() {
		t.Run(f.name, func(t *testing.T) {
			if release.has(f.since...) {
				f.works(t)
			} else {
				f.lacks(t)
			}
		})
	}
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// writeSetup writes the files of usher init and returns the directory.
func writeSetup(t *testing.T, o setup.Options) string {
	t.Helper()
	o.Dir, o.Random = filepath.Join(t.TempDir(), "auth"), rand.Reader
	if o.Listen == "" {
		o.Listen = address(callouttest.FreePort(t))
	}
	_, err := setup.Write(o)
	callouttest.Must(t, err)
	return o.Dir
}

// startSetup starts a server with the files of usher init, and connects as the service
// user.
func startSetup(t *testing.T, o setup.Options) (*config.Config, *nats.Conn) {
	t.Helper()
	o.Listen = address(callouttest.FreePort(t))
	dir := writeSetup(t, o)
	cfg, err := config.Load(filepath.Join(dir, setup.FileConfig))
	callouttest.Must(t, err)
	callouttest.RunServerFile(t, *serverProgram, filepath.Join(dir, setup.FileServerConfig), o.Listen)
	opt := nats.UserCredentials(cfg.NATS.CredsFile)
	if cfg.NATS.CredsFile == "" {
		password, err := os.ReadFile(cfg.NATS.PasswordFile)
		callouttest.Must(t, err)
		opt = nats.UserInfo(cfg.NATS.User, strings.TrimSpace(string(password)))
	}
	nc, err := nats.Connect("nats://"+o.Listen, opt, callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	return cfg, nc
}

// startEventGateway starts both servers of an event gateway, and connects to the external
// one as the service user.
func startEventGateway(t *testing.T) {
	t.Helper()
	at := func() string { return address(callouttest.FreePort(t)) }
	g := setup.EventGateway{
		Options:  setup.Options{Dir: filepath.Join(t.TempDir(), "gateway"), Listen: at(), Random: rand.Reader, Now: time.Now()},
		Hosts:    []string{"127.0.0.1"},
		Internal: at(),
	}
	g.GatewayOf.External, g.GatewayOf.Internal = at(), at()
	_, err := setup.WriteEventGateway(&g)
	callouttest.Must(t, err)
	callouttest.RunServerFile(t, *serverProgram, filepath.Join(g.Dir, setup.FileInternal), g.Internal)
	callouttest.RunServerFile(t, *serverProgram, filepath.Join(g.Dir, setup.FileExternal), g.Listen)
	password, err := os.ReadFile(filepath.Join(g.Dir, setup.FilePassword))
	callouttest.Must(t, err)
	nc, err := nats.Connect("nats://"+g.Listen, nats.RootCAs(filepath.Join(g.Dir, filepath.FromSlash(setup.FileCA))),
		nats.UserInfo(setup.ServiceUser, strings.TrimSpace(string(password))), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	nc.Close()
}

// openDirectory opens the KV directory of a new installation.
func openDirectory(t *testing.T) (*kv.Store, *callouttest.Buffer) {
	t.Helper()
	cfg, nc := startSetup(t, setup.Options{KV: true})
	log := &callouttest.Buffer{}
	store, err := kv.Open(kv.Config{
		Conn: nc, Bucket: cfg.Directory.Bucket, Create: true, Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now,
	})
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan error, 1)
	go func() { stopped <- store.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		callouttest.Must(t, <-stopped)
	})
	return store, log
}

func userEntries(name string) []directory.Entry {
	return directory.Put(directory.UserKey(directory.IDOf(directory.KindUser, name)), &directory.User{Name: name})
}

// connectAndReload connects over auth callout, reloads the server, and returns the
// connection.
func connectAndReload(t *testing.T) *nats.Conn {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Program: *serverProgram})
	callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(matrixDirectory),
	})
	nc, err := nats.Connect(srv.URL(), nats.Token("near-key"), nats.NoReconnect(), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	s := &deployment{system: srv.Connect(t, callouttest.SystemUser)}
	before := s.server(t).ConfigLoadTime
	srv.Reload(t, "write_deadline: \"7s\"\n")
	// The server sets the time after it has checked all clients.
	callouttest.Eventually(t, "the server has reloaded", func() bool { return s.server(t).ConfigLoadTime.After(before) })
	return nc
}

// allowedAccountsConfig writes the configuration of a server that uses auth callout
// only for APP.
func allowedAccountsConfig(t *testing.T, port int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats-server.conf")
	callouttest.Must(t, os.WriteFile(file, fmt.Appendf(nil, `
listen: %q
accounts {
  AUTH { users: [{user: usher, password: s}] }
  APP { users: [{user: delegated, password: s}] }
  LOCAL { users: [{user: static, password: s}] }
}
authorization { timeout: 0.5, auth_callout { issuer: %s, account: AUTH, auth_users: [usher], allowed_accounts: [APP] } }
`, address(port), callouttest.NewKeys(t).Issuer), 0o600))
	return file
}
