package refusals_test

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/refusals"
	"usher/callout/callouttest"
	"usher/callout/keyusage"
	"usher/callout/session"
	"usher/internal/audit"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

const directory = `
users:
  - {name: nowhere, keys: [{digest: KEY(nowhere-key)}]}
  - {name: publisher, keys: [{digest: KEY(publisher-key)}]}
projects:
  - name: lost
    account: NOWHERE
    members: [{user: nowhere, roles: [publisher]}]
    topics: [{name: orders, acl: [nowhere]}]
  - name: shop
    account: APP
    members: [{user: publisher, roles: [publisher]}]
    topics: [{name: orders, acl: [publisher]}]
`

// fixture is what a running usher has of refusals.
type fixture struct {
	*refusals.Refusals
	registry *sessions.Registry
	started  sync.WaitGroup // Refusals is there, and knows the instance

	mu     sync.Mutex
	events []audit.RefusedByServer
}

// Granted and Find implement callout.Sessions.
func (f *fixture) Granted(s *session.Session) {
	f.started.Wait()
	f.registry.Add(s)
	f.Refusals.Granted(s)
}

func (f *fixture) Find(id session.ID) (*session.Session, bool) { return f.registry.Find(id) }

func start(t *testing.T, service *nats.Conn, in callouttest.ServiceConfig) *fixture {
	t.Helper()
	f := &fixture{}
	f.started.Add(1)
	f.registry = sessions.New(sessions.Observer{Removed: func(s *session.Session, _ sessions.Ending) { f.Removed(s) }})
	in.Sessions, in.Directory = f, callouttest.WithDigests(directory)
	s := callouttest.StartService(t, in)
	if in.Now == nil {
		in.Now = time.Now
	}
	f.Refusals = refusals.New(refusals.Config{
		Registry: f.registry, Instance: s.Report().Instance, Log: slog.New(slog.DiscardHandler), Now: in.Now,
		Audit: func(e audit.RefusedByServer) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.events = append(f.events, e)
		},
	})
	f.started.Done()
	_, err := service.Subscribe(refusals.Subject, func(m *nats.Msg) { f.Event(m.Data) })
	callouttest.Must(t, err)
	callouttest.Must(t, service.Flush())
	return f
}

// refuses connects a client that usher grants and the server does not, and checks how that is
// told.
func (f *fixture) refuses(t *testing.T, url, key string, class refusals.Class, account, reason string) {
	t.Helper()
	var e audit.RefusedByServer
	callouttest.Eventually(t, "the refusal is told", func() bool {
		if nc, err := nats.Connect(url, nats.Token(key), nats.NoReconnect(), callouttest.ConnectTimeout()); err == nil {
			nc.Close()
			return false // the server does not know of its new state yet
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		at := slices.IndexFunc(f.events, func(x audit.RefusedByServer) bool { return x.Code == string(class) }) // events of earlier attempts may come late
		if at >= 0 {
			e = f.events[at]
		}
		return at >= 0
	})
	if e.Code != string(class) || e.Account != account || !strings.Contains(e.Cause, reason) || e.RequestID == "" || e.Hint == "" || e.User == "" || e.ServerID == "" {
		t.Errorf("%+v", e)
	}
	callouttest.Eventually(t, "the session is removed", func() bool {
		_, ok := f.registry.Find(session.ID{Server: e.ServerID, Client: e.ClientID})
		return !ok
	})
	if last := f.Last(); !slices.ContainsFunc(last, func(x keyusage.Refused) bool { return x.Class == string(class) && x.Account == account && x.Count > 0 }) {
		t.Errorf("%+v", last)
	}
}

func (f *fixture) total() (n uint64) {
	for _, c := range f.Counts() {
		n += c.Total
	}
	return n
}

// A server says in the callout account why it did not accept a user JWT. A connection that
// usher denies is not one of these.
func TestConfigMode(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true})
	f := start(t, srv.Connect(t, callouttest.ServiceUser), callouttest.ServiceConfig{URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys)})
	if _, err := nats.Connect(srv.URL(), nats.Token("wrong"), nats.NoReconnect(), callouttest.ConnectTimeout()); err == nil {
		t.Fatal("let in")
	}
	f.refuses(t, srv.URL(), "nowhere-key", refusals.AccountMissing, "NOWHERE", `No valid account "NOWHERE"`)
	if n := f.total(); n != uint64(len(f.Last())) && n != uint64(f.Last()[0].Count) {
		t.Errorf("%d refusals", n)
	}
	for _, x := range f.Last() {
		if x.Class != string(refusals.AccountMissing) {
			t.Errorf("a denial counts as a refusal: %+v", x)
		}
	}
}

// The clock of usher is an hour behind.
func TestClock(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	f := start(t, srv.Connect(t, callouttest.ServiceUser), callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), MaxLifetime: time.Minute, Leeway: 2 * time.Hour,
		Now: func() time.Time { return time.Now().Add(-time.Hour) },
	})
	f.refuses(t, srv.URL(), "publisher-key", refusals.Clock, callouttest.AppAccount, "claim is expired")
}

func TestOperatorMode(t *testing.T) {
	t.Parallel()
	one := func(name string, c jwt.Claims) {
		if a, ok := c.(*jwt.AccountClaims); ok && name == callouttest.AppAccount {
			a.Limits.Conn = 1
		}
	}
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Edit: one})
	service, err := nats.Connect(o.URLs(), nats.UserCredentials(o.ServiceCreds))
	callouttest.Must(t, err)
	t.Cleanup(service.Close)
	f := start(t, service, callouttest.ServiceConfig{Operator: o})
	held, err := nats.Connect(o.URLs(), nats.Token("publisher-key"), nats.NoReconnect(), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	t.Cleanup(held.Close)
	f.refuses(t, o.URLs(), "publisher-key", refusals.ConnectionLimit, callouttest.AppAccount, "maximum account active connections exceeded")
	a := o.ReadAccount(t, callouttest.AppAccount)
	a.SigningKeys = jwt.SigningKeys{}
	o.PushAccount(t, callouttest.AppAccount, a)
	f.refuses(t, o.URLs(), "publisher-key", refusals.Key, callouttest.AppAccount, "is not known")
}
