package revocation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/revocation"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/directory/snapshot"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

var must = callouttest.Must

// site is a nats-server with some ushers that know each other's sessions at once.
type site struct {
	server   *callouttest.Server
	system   *nats.Conn
	replicas []*replica
	unkicked atomic.Bool // kicks fail
	clients  map[string]*nats.Conn
}

// replica is one usher with its registry and engine.
type replica struct {
	*site
	svc      *callouttest.Service
	registry *sessions.Registry
	engine   *revocation.Engine
	log      callouttest.Buffer
	number   int
	dead     atomic.Bool

	mu      sync.Mutex
	version int // of the directory
	closed  []revocation.Closing
}

func newSite(t *testing.T, replicas int, change func(*revocation.Config)) *site {
	t.Helper()
	keys := callouttest.NewKeys(t)
	s := &site{server: callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys}), clients: map[string]*nats.Conn{}}
	s.system = s.server.Connect(t, callouttest.SystemUser)
	for i := range replicas {
		r := &replica{site: s, number: i}
		r.svc = callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: s.server.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(base), Sessions: r,
		})
		cfg := revocation.Config{
			Decider: r.svc.Decider, Snapshot: func() *snapshot.Snapshot { return r.svc.Decider.Snapshot() }, Replicas: r, Kicker: r,
			OnGain: revocation.OnGain{Rate: 1000}, Log: slog.New(slog.NewTextHandler(&r.log, nil)), Now: time.Now,
			Closed: func(c revocation.Closing) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.closed = append(r.closed, c)
			},
		}
		if change != nil {
			change(&cfg)
		}
		r.engine = revocation.New(cfg)
		r.registry = sessions.New(r.engine.Observer())
		s.replicas = append(s.replicas, r)
	}
	_, err := s.system.Subscribe("$SYS.ACCOUNT.*.DISCONNECT", func(m *nats.Msg) {
		var e struct {
			Server struct{ ID string }
			Client struct{ ID uint64 }
		}
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Error(err)
		}
		for _, r := range s.replicas {
			r.registry.Remove(session.ID{Server: e.Server.ID, Client: e.Client.ID}, sessions.Disconnected)
		}
	})
	must(t, err)
	must(t, s.system.Flush())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, r := range s.replicas {
		running.Go(func() { r.engine.Run(ctx, r.registry) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return s
}

// Granted implements callout.Sessions.
func (r *replica) Granted(s *session.Session) {
	for _, other := range r.replicas {
		other.registry.Add(s)
	}
}

// Find implements callout.Sessions.
func (r *replica) Find(id session.ID) (*session.Session, bool) { return r.registry.Find(id) }

// InForce implements revocation.Replicas.
func (r *replica) InForce(ctx context.Context) (late []string) {
	r.mu.Lock()
	want := r.version
	r.mu.Unlock()
	for {
		late = nil
		for _, other := range r.replicas {
			other.mu.Lock()
			if other.version < want && !other.dead.Load() {
				late = append(late, other.svc.Report().Instance)
			}
			other.mu.Unlock()
		}
		if len(late) == 0 {
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return late
		}
	}
}

// Mine implements revocation.Replicas.
func (r *replica) Mine(id session.ID) bool {
	live := slices.DeleteFunc(slices.Clone(r.replicas), func(x *replica) bool { return x.dead.Load() })
	return live[int(id.Client)%len(live)] == r
}

// Live implements revocation.Replicas.
func (r *replica) Live() int { return len(r.replicas) }

// KickAll implements revocation.Kicker.
func (r *replica) KickAll(ctx context.Context, ids []session.ID, _ int) (failed []session.ID, err error) {
	if r.unkicked.Load() {
		return ids, errors.New("the server is away")
	}
	for _, id := range ids {
		_, err := r.system.RequestWithContext(ctx, "$SYS.REQ.SERVER."+id.Server+".KICK", fmt.Appendf(nil, `{"cid":%d}`, id.Client))
		if err != nil {
			return ids, err
		}
	}
	return nil, nil
}

// set puts a directory into force on a replica.
func (r *replica) set(t *testing.T, directory string) {
	t.Helper()
	r.svc.SetDirectory(t, callouttest.WithDigests(directory))
	r.mu.Lock()
	r.version++
	r.mu.Unlock()
	r.engine.ChangedAll()
}

// set puts a directory into force on all replicas.
func (s *site) set(t *testing.T, directory string) {
	t.Helper()
	for _, r := range s.replicas {
		r.set(t, directory)
	}
}

// connect connects the named clients that are not connected. A name is that of a key, or a
// key with a number after a dot.
func (s *site) connect(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if nc := s.clients[name]; nc != nil && nc.IsConnected() {
			continue
		}
		key, _, _ := cut(name)
		nc, err := nats.Connect(s.server.URL(), nats.Token(key), nats.NoReconnect(), callouttest.ConnectTimeout())
		must(t, err)
		t.Cleanup(nc.Close)
		s.clients[name] = nc
	}
	callouttest.Eventually(t, "the sessions are known", func() bool {
		return !slices.ContainsFunc(s.replicas, func(r *replica) bool { return r.registry.Len() != len(s.clients) })
	})
}

func cut(name string) (key, number string, ok bool) {
	for i := range name {
		if name[i] == '.' {
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}

// closed returns the names of the clients that are not connected, sorted.
func (s *site) closed() []string {
	names := []string{}
	for name, nc := range s.clients {
		if !nc.IsConnected() || nc.Flush() != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// settle waits until nothing is left to decide or to close.
func (s *site) settle(t *testing.T) {
	t.Helper()
	callouttest.Eventually(t, "everything is decided", func() bool {
		return !slices.ContainsFunc(s.replicas, func(r *replica) bool {
			st := r.engine.Status()
			return !r.dead.Load() && (st.Deciding || st.Waiting > 0)
		})
	})
}

// causes returns the causes of what was closed, sorted.
func (s *site) causes() (all []string) {
	for _, r := range s.replicas {
		r.mu.Lock()
		for _, c := range r.closed {
			all = append(all, c.Session.Identity.Name+" "+c.Cause+": "+c.What)
		}
		r.closed = nil
		r.mu.Unlock()
	}
	slices.Sort(all)
	return all
}
