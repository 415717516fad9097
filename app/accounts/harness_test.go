package accounts_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/app/accounts"
	"usher/app/rotation"
	"usher/callout/callouttest"
	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

var must = callouttest.Must

// site is an operator with its servers, and one usher that reloads its keyring a hundred
// times a second.
type site struct {
	*callouttest.Operator
	usher *callouttest.Service
	m     *accounts.Manager
	stale atomic.Bool // the usher does not reload its keyring
}

func newSite(t *testing.T, cfg callouttest.OperatorConfig) *site {
	t.Helper()
	s := &site{Operator: callouttest.StartOperator(t, cfg)}
	s.usher = callouttest.StartService(t, callouttest.ServiceConfig{Operator: s.Operator, Directory: directoryOf()})
	stop := make(chan struct{})
	var reloading sync.WaitGroup
	reloading.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if !s.stale.Load() {
					_ = s.usher.ReloadKeyring() // it may fail between the write of a seed and that of keyring.yaml
				}
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { close(stop); reloading.Wait() })
	s.m = s.manager(t)
	return s
}

// manager returns a new Manager, like that of another process.
func (s *site) manager(t *testing.T) *accounts.Manager {
	t.Helper()
	return &accounts.Manager{
		Rotator: &rotation.Rotator{
			Dir: s.Keyring, Config: keyring.Config{Callout: callouttest.CalloutAccount}, Now: time.Now,
			ReloadTimeout: 20 * time.Second, Wait: 20 * time.Second, IdlePeriod: 300 * time.Millisecond,
			Progress: func(line string) { t.Log(line) },
			Reports:  func(context.Context) ([]keyusage.Report, error) { return []keyusage.Report{s.usher.Report()}, nil },
			Operator: &rotation.Operator{Cluster: operator.NewCluster(s.ConnectSystem(t), 0), Dir: operator.Dir(s.JWTDir), Signer: s.SigningKey},
		},
		Template: template,
	}
}

// template returns the claims of an account with JetStream.
func template(name, public string) (*jwt.AccountClaims, error) {
	c := jwt.NewAccountClaims(public)
	c.Name = name
	c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	return c, nil
}

// directoryOf returns a directory with projects, each in the account with its name. User
// NAME-admin with key NAME-admin-key has role project_admin.
func directoryOf(projects ...string) string {
	var users, list strings.Builder
	for _, p := range projects {
		users.WriteString("  - {name: " + p + "-admin, keys: [{digest: KEY(" + p + "-admin-key)}]}\n")
		list.WriteString("  - {name: " + p + ", account: " + p + ", members: [{user: " + p + "-admin, roles: [project_admin]}]}\n")
	}
	text := "users: []\n"
	if len(projects) > 0 {
		text = "users:\n" + users.String() + "projects:\n" + list.String()
	}
	return callouttest.WithDigests(text)
}

// connect connects as the administrator of a project, to one server.
func (s *site) connect(server int, project string) (*nats.Conn, error) {
	return nats.Connect(s.Servers[server].URL(), nats.Token(project+"-admin-key"), nats.CustomInboxPrefix("_INBOX_"+project+"-admin"),
		nats.NoReconnect(), nats.IgnoreDiscoveredServers(), callouttest.ConnectTimeout())
}

// checkConnects checks that the administrator of a project can connect to every server,
// and is placed in the account with this public key.
func (s *site) checkConnects(t *testing.T, project, account string) {
	t.Helper()
	for i, server := range s.Servers {
		nc, err := s.connect(i, project)
		must(t, err)
		id, err := nc.GetClientID()
		must(t, err)
		if got := server.AccountOf(t, id); got != account {
			t.Errorf("%s: account is %s, want %s", server.Name, got, account)
		}
		nc.Close()
	}
}

func (s *site) state(t *testing.T) *keyring.State {
	t.Helper()
	state, err := keyring.ReadState(s.Keyring, s.m.Rotator.Config)
	must(t, err)
	return state
}

// account returns an account of the keyring, and its active signing key.
func (s *site) account(t *testing.T, name string) (a issuer.Account, key keyring.Entry) {
	t.Helper()
	state := s.state(t)
	for _, a = range state.Accounts {
		if a.Name == name {
			if e := state.Active(issuer.KindSigning, issuer.Place{Account: name}); e != nil {
				key = *e
			}
			return a, key
		}
	}
	return issuer.Account{}, key
}

// inForce returns the claims of an account that every server uses or has stored.
func (s *site) inForce(t *testing.T, public string) *jwt.AccountClaims {
	t.Helper()
	servers, err := s.m.Rotator.Servers(t.Context())
	must(t, err)
	c, _, agree, err := s.m.Rotator.Operator.Cluster.Newest(t.Context(), public, servers)
	must(t, err)
	if !agree {
		t.Errorf("servers differ about %s", public)
	}
	return c
}
