package limits_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/limits"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/identity"
	"usher/permissions"
)

// bounded is a registry with limits.
type bounded struct {
	*sessions.Registry
	*limits.Limits

	mu     sync.Mutex
	closed []*session.Session
}

func (b *bounded) Granted(s *session.Session) { b.Add(s) }

func newBounded(cfg limits.Config, closeOldest bool) *bounded {
	b := &bounded{}
	cfg.Now = time.Now
	if closeOldest {
		cfg.Close = func(s *session.Session, _ string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.closed = append(b.closed, s)
		}
	}
	b.Limits = limits.New(cfg)
	b.Registry = sessions.New(b.Observer())
	return b
}

func of(user, key string, projects ...string) (*identity.Identity, *permissions.Grant) {
	g := &permissions.Grant{}
	for _, p := range projects {
		g.Tags = append(g.Tags, "project:"+p)
	}
	return &identity.Identity{Name: user, KeyID: key, Authority: identity.AuthorityDirectory}, g
}

func (b *bounded) connect(n uint64, user, key string, projects ...string) error {
	id := session.ID{Server: "N", Client: n}
	who, grant := of(user, key, projects...)
	if err := b.Reserve(id, who, grant); err != nil {
		return err
	}
	b.Granted(&session.Session{ID: id, Identity: *who, Grant: *grant, Started: time.Unix(int64(n), 0)})
	b.Release(id)
	return nil
}

func (b *bounded) leave(n uint64) {
	b.Remove(session.ID{Server: "N", Client: n}, sessions.Disconnected)
}

func TestDenyNewest(t *testing.T) {
	b := newBounded(limits.Config{PerUser: 3, PerKey: 2, PerProject: 4}, false)
	allow := func(n uint64, user, key string, projects ...string) {
		t.Helper()
		if err := b.connect(n, user, key, projects...); err != nil {
			t.Errorf("%d %s: %v", n, user, err)
		}
	}
	deny := func(n uint64, cause, user, key string, projects ...string) {
		t.Helper()
		if err := b.connect(n, user, key, projects...); err == nil || err.Error() != cause {
			t.Errorf("%d %s: %v, want %s", n, user, err, cause)
		}
	}
	allow(1, "pia", "a", "shop")
	allow(2, "pia", "a", "shop")
	deny(3, "key a of user pia has 2 connections, the limit is 2", "pia", "a", "shop")
	allow(4, "pia", "b", "shop")
	deny(5, "user pia has 3 connections, the limit is 3", "pia", "c", "lab")
	allow(6, "ada", "a", "shop", "lab")
	allow(7, "ada", "b", "shop")
	deny(8, "project shop has 4 connections, the limit is 4", "eve", "b", "shop")
	allow(8, "eve", "b", "lab", "shop")
	allow(11, "eve", "b", "lab")
	for range 3 { // asked about again
		allow(1, "pia", "a", "shop")
	}
	b.leave(2)
	allow(9, "pia", "a", "shop")
	deny(10, "user pia has 3 connections, the limit is 3", "pia", "a")
	allow(9, "ada", "z") // another credential on the same connection
	allow(10, "pia", "a", "shop")
}

// A connection that is asked about again is not refused because its key has got another id,
// which others have filled.
func TestKeyWithAnotherID(t *testing.T) {
	b := newBounded(limits.Config{PerKey: 1}, false)
	reserve := func(n, secret uint64, key string) error {
		who, grant := of("pia", key)
		who.KeyPrint = secret
		id := session.ID{Server: "N", Client: n}
		err := b.Reserve(id, who, grant)
		if err == nil {
			b.Granted(&session.Session{ID: id, Identity: *who, Grant: *grant})
			b.Release(id)
		}
		return err
	}
	for _, err := range []error{reserve(1, 7, "a"), reserve(2, 8, "a-old"), reserve(1, 7, "a-old")} {
		if err != nil {
			t.Error(err)
		}
	}
	if reserve(3, 8, "a-old") == nil {
		t.Error("one connection too many is let in")
	}
}

func TestCloseOldest(t *testing.T) {
	b := newBounded(limits.Config{PerUser: 2, PerProject: 3}, true)
	for n := range uint64(5) {
		if err := b.connect(n+1, "pia", "a", "shop"); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(b.numbers()); got != "[1 2 3]" {
		t.Errorf("closed %s, want the oldest", got)
	}
	// A connection that is not granted yet cannot be closed.
	who, grant := of("ada", "a")
	for n := range uint64(3) {
		err := b.Reserve(session.ID{Server: "N", Client: 100 + n}, who, grant)
		if (err != nil) != (n == 2) {
			t.Errorf("%d: %v", n, err)
		}
	}
	b.Release(session.ID{Server: "N", Client: 100})
	if err := b.connect(200, "ada", "a"); err != nil {
		t.Errorf("after a connection was not granted: %v", err)
	}
}

// A connection that may have ended unheard is no reason for a denial.
func TestUncertain(t *testing.T) {
	down := errors.New("not connected")
	b := newBounded(limits.Config{PerUser: 1, Ready: func() error { return down }}, false)
	if err := b.connect(1, "pia", "a"); err != nil {
		t.Error(err)
	}
	if err := b.connect(2, "pia", "a"); !errors.Is(err, session.ErrCountUncertain) || !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

func (b *bounded) numbers() (numbers []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.closed {
		numbers = append(numbers, s.ID.Client)
	}
	return numbers
}

// Whatever comes and goes, the counts are those of the registry.
func TestCountsAreThoseOfTheRegistry(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := newBounded(limits.Config{PerUser: 20, PerKey: 11, PerProject: 12}, false)
	users, keys, projects := []string{"pia", "ada"}, []string{"a", "b"}, []string{"shop", "lab", "far"}
	for range 20_000 {
		n := r.Uint64N(80)
		if _, live := b.Find(session.ID{Server: "N", Client: n}); live || r.IntN(2) == 0 { // a live one is never refused
			b.leave(n)
			continue
		}
		user, key := users[r.IntN(2)], keys[r.IntN(2)]
		err := b.connect(n, user, key, projects[:r.IntN(4)]...)
		_, live := b.Find(session.ID{Server: "N", Client: n})
		full := b.CountOfUser(user) >= 20 || b.CountOfKey(user, key) >= 11
		inShop := 0
		for m := range uint64(80) {
			if s, ok := b.Find(session.ID{Server: "N", Client: m}); ok && len(s.Grant.Tags) == 1 {
				inShop++
			}
		}
		full = full || inShop >= 12
		if err != nil && !full || err == nil && !live {
			t.Fatalf("%v: user %d, key %d", err, b.CountOfUser(user), b.CountOfKey(user, key))
		}
		if b.CountOfUser(user) > 20 || b.CountOfKey(user, key) > 11 || inShop > 12 {
			t.Fatalf("over the limit: user %d, key %d, project %d", b.CountOfUser(user), b.CountOfKey(user, key), inShop)
		}
	}
}

// Clients that connect at the same moment do not get more than the limit, and a reload of
// the server counts none of them twice.
//
// Attack: a client opens many connections at once, before any of them is counted
// Held by: a connection has its place before it is granted
func TestBurst(t *testing.T) {
	t.Parallel()
	const limit, clients = 5, 40
	b := newBounded(limits.Config{PerUser: limit}, false)
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Connections: 4, Sessions: b, Limits: b, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	var mu sync.Mutex
	var conns []*nats.Conn
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			nc, err := nats.Connect(o.URLs(), nats.Token("publisher-key"), nats.NoReconnect(), nats.Timeout(10*time.Second))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				conns = append(conns, nc)
			case !errors.Is(err, nats.ErrAuthorization):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(conns) != limit {
		t.Errorf("%d connections, the limit is %d", len(conns), limit)
	}
	o.Servers[0].Reload(t)
	for _, nc := range conns {
		if err := nc.FlushTimeout(10 * time.Second); err != nil {
			t.Errorf("after a reload: %v", err)
		}
		defer nc.Close()
	}
	denied := 0
	for _, e := range service.Settled(t) {
		if e.Text("code") == callout.CodeTooManyConnections {
			denied++
		}
	}
	if denied != clients-limit {
		t.Errorf("%d were denied, want %d", denied, clients-limit)
	}
}
