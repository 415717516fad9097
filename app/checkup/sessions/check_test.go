package sessions_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/app/apptest"
	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/checkup/sessions"
	"usher/app/config"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/fault"
	"usher/internal/secretfile"
	"usher/issuer/operator"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

const userCheck = "sessions user"

// check returns the findings about the server of a configuration.
func check(t *testing.T, file string) finding.List {
	t.Helper()
	cfg, err := config.Load(file)
	callouttest.Must(t, err)
	var f finding.List
	sessions.CheckFiles(&f, cfg)
	url := cfg.NATS.URLs[0]
	// The server says its id to everybody, also to a client that it will deny.
	nc := apptest.Connected(t, url, serviceOptions(t, cfg)...)
	sessions.Check(t.Context(), &f, cfg, []sessions.Server{{ID: nc.ConnectedServerId(), Name: nc.ConnectedServerName(), URL: url}}, time.Now())
	return f
}

func serviceOptions(t *testing.T, cfg *config.Config) []nats.Option {
	t.Helper()
	password, err := secretfile.Read(cfg.NATS.PasswordFile, false)
	callouttest.Must(t, err)
	return []nats.Option{nats.UserInfo(cfg.NATS.User, password), callouttest.ConnectTimeout()}
}

// A user with an nkey that is in auth_users is not taken for one whom usher let in.
func TestUserWithNKey(t *testing.T) {
	t.Parallel()
	publish, subscribe := operator.SessionSubjects()
	seed, public := callouttest.NewSeed(t, nkeys.PrefixByteUser)
	file := filepath.Join(t.TempDir(), "closer.nk")
	callouttest.WriteSeed(t, file, seed)
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{
		Keys: keys, AuthUsers: []string{public},
		SystemUsers: []string{fmt.Sprintf(`{nkey: %s, permissions: {publish: ["%s"], subscribe: ["%s"]}}`, public, strings.Join(publish, `", "`), strings.Join(subscribe, `", "`))},
	})
	f := check(t, apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, false, keys), map[string]string{"sessions.nkey_file": file}))
	findingtest.Holds(t, f, fault.None, userCheck, finding.OK, "it can list and close connections, and nothing else")
}

// withUser returns the configuration for a server with that user of the system account, whose
// permissions edit may change. listed: it is in auth_users.
func withUser(t *testing.T, listed bool, edit func(publish, subscribe []string) ([]string, []string), more map[string]string) string {
	t.Helper()
	publish, subscribe := operator.SessionSubjects()
	if edit != nil {
		publish, subscribe = edit(publish, subscribe)
	}
	permissions := ""
	if publish != nil {
		permissions = fmt.Sprintf(`, permissions: {publish: ["%s"], subscribe: ["%s"]}`, strings.Join(publish, `", "`), strings.Join(subscribe, `", "`))
	}
	keys := callouttest.NewKeys(t)
	on := callouttest.ServerConfig{Keys: keys, SystemUsers: []string{fmt.Sprintf("{user: closer, password: %q%s}", callouttest.Password, permissions)}}
	if listed {
		on.AuthUsers = []string{"closer"}
	} else {
		on.Timeout = 10 // later than the check gives up: at that time the server answers as if usher had denied
	}
	srv := callouttest.StartServer(t, on)
	values := map[string]string{"sessions.user": "closer", "sessions.password_file": "password"}
	maps.Copy(values, more)
	return apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, false, keys), values)
}

// What is wrong with the user of the system account is found by trying, without harm.
func TestUser(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listed   bool
		edit     func(publish, subscribe []string) ([]string, []string)
		more     map[string]string
		kind     fault.Kind
		severity finding.Severity
		detail   string
	}{
		"just enough": {true, nil, nil, fault.None, finding.OK, "it can list and close connections, and nothing else"},
		"no KICK": {true, func(publish, subscribe []string) ([]string, []string) {
			return slices.DeleteFunc(publish, func(s string) bool { return strings.Contains(s, "KICK") }), subscribe
		}, nil, fault.Config, finding.Error, "it may not: publish $SYS.REQ.SERVER.*.KICK"},
		"no events":  {true, func(publish, subscribe []string) ([]string, []string) { return publish, subscribe[:1] }, nil, fault.Config, finding.Error, "subscribe to $SYS.ACCOUNT.*.DISCONNECT; "},
		"everything": {true, func(_, _ []string) ([]string, []string) { return nil, nil }, nil, fault.None, finding.Warning, "such as $SYS.REQ.SERVER.*.RELOAD"},
		"more": {true, func(publish, subscribe []string) ([]string, []string) {
			return append(publish, "$SYS.REQ.USER.INFO", "$SYS.REQ.SERVER.*.RELOAD"), subscribe
		}, nil, fault.None, finding.Warning, "sessions need: publish $SYS.REQ.SERVER.*.RELOAD; "},
		"hears more":        {true, func(publish, _ []string) ([]string, []string) { return publish, []string{">"} }, nil, fault.None, finding.Warning, "subscribe to $SYS.SERVER.*.STATSZ"},
		"not in auth_users": {false, nil, nil, fault.Config, finding.Error, "the server does not let in the user"},
		"user of usher check": {
			true, nil,
			map[string]string{"nats.system_user": "closer", "nats.system_password_file": "password"},
			fault.None, finding.Warning, "the same user as that of usher check",
		},
		"no file": {true, nil, map[string]string{"sessions.password_file": "gone"}, fault.None, finding.Warning, "the user of the system account is not checked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findingtest.Holds(t, check(t, withUser(t, c.listed, c.edit, c.more)), c.kind, userCheck, c.severity, c.detail)
		})
	}
}

// Without such a user, it is said what that means.
func TestNone(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	findingtest.Holds(t, check(t, apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, false, keys), nil)), fault.None, userCheck, finding.OK, "none is configured")
}

// serve runs an usher until the test ends.
func serve(t *testing.T, file string, change func(*config.Config)) {
	t.Helper()
	cfg, err := config.Load(file)
	callouttest.Must(t, err)
	if change != nil {
		change(cfg)
	}
	var log callouttest.Buffer
	srv, err := server.New(cfg, &log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, func() { close(started) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v\n%s", err, &log)
		}
	})
	<-started
	callouttest.Eventually(t, "usher is ready", func() bool { return srv.Ready() == nil })
}

const directoryYAML = `
users: [{name: alice, keys: [{digest: KEY(alice-key)}]}]
projects:
  - name: shop
    account: NOWHERE
    members: [{user: alice, roles: [publisher]}]
    topics: [{name: orders, acl: [alice]}]
`

// Two running ushers know each other; what a server did not accept is a finding; and one
// with another directory is found. With the files of usher init.
func TestRunning(t *testing.T) {
	t.Parallel()
	in := apptest.NewSite(t, func(*setup.Options) {})
	in.Edit(t, setup.FileConfig, "  streams: managed\n", "  streams: manual\n") // usher itself connects into no account
	in.Write(t, setup.FileDirectory, callouttest.WithDigests(directoryYAML))
	in.NatsServer(t)
	other := filepath.Join(t.TempDir(), "directory.yaml")
	callouttest.Must(t, secretfile.Write(other, []byte(callouttest.WithDigests(directoryYAML))))
	serve(t, in.Config(), nil)
	serve(t, in.Config(), func(c *config.Config) {
		c.HTTP.Listen, c.Audit.To, c.Directory.File, c.Sessions.StateFile = "127.0.0.1:0", "off", other, ""
	})

	var f finding.List
	has := func(check string, severity finding.Severity, detail string) bool {
		return slices.ContainsFunc(f, func(x finding.Finding) bool {
			return x.Check == check && x.Severity == severity && strings.Contains(x.Detail, detail)
		})
	}
	callouttest.Eventually(t, "the ushers know each other", func() bool {
		f = check(t, in.Config())
		return has("sessions replicas", finding.OK, "2 ushers: know each other, and decide by the same")
	})
	findingtest.Holds(t, f, fault.None, userCheck, finding.OK, "it can list and close connections, and nothing else")
	findingtest.Holds(t, f, fault.None, "refused_by_server", finding.OK, "servers have accepted every user JWT")
	callouttest.Eventually(t, "the refusal is found", func() bool {
		if nc, err := nats.Connect(in.URL, nats.Token("alice-key"), nats.NoReconnect(), callouttest.ConnectTimeout()); err == nil {
			nc.Close()
			t.Fatal("let in")
		}
		f = check(t, in.Config())
		return has("refused_by_server", finding.Warning, "account NOWHERE, last at ")
	})
	findingtest.Holds(t, f, fault.None, "refused_by_server", finding.Warning, "No valid account")
	callouttest.Must(t, secretfile.Write(other, []byte("users: []\nprojects: []\n")))
	callouttest.Eventually(t, "the other directory is found", func() bool {
		f = check(t, in.Config())
		return has("sessions replicas", finding.Warning, "decide by different directories (file ")
	})
}
