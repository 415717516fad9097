package servers_test

import (
	"flag"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/servers"
	"usher/callout/callouttest"
	"usher/callout/session"
)

var connects = flag.Int("connects", 20_000, "how many clients TestStorm connects and disconnects; CI has 100,000")

// After a storm of connects and disconnects of which events are lost, the registry is equal
// to what the server has. usher's answers would take most of the time, so the clients do
// without: the test tells the registry of each connection when usher would.
func TestStorm(t *testing.T) {
	t.Parallel()
	n := *connects
	if raceEnabled {
		n = 5_000
	}
	dialer := &lossy{}
	f := start(t, servers.Config{Options: []nats.Option{nats.SetCustomDialer(dialer)}}, nil)
	f.static = true
	storm(t, f, dialer, n, asAdmin(), func(id session.ID) {
		f.registry.Add(&session.Session{ID: id})
	})
}

// The same with usher's answers.
func TestStormOfGrants(t *testing.T) {
	t.Parallel()
	dialer := &lossy{}
	f := start(t, servers.Config{Options: []nats.Option{nats.SetCustomDialer(dialer)}}, nil)
	storm(t, f, dialer, 1_000, withKey("publisher-key"), nil)
}

// storm connects clients, of which 300 stay, and loses events meanwhile: some all the time,
// and of one in forty connects all. After a minute it ends early.
func storm(t *testing.T, f *fixture, dialer *lossy, connects int, credential string, hello func(session.ID)) {
	t.Helper()
	var done atomic.Int64
	dialer.loseIf(func(subject string) bool {
		return isEvent(subject) && (rand.IntN(50) == 0 || done.Load()%int64(connects/5) < int64(connects/200))
	})
	began := time.Now()
	var mu sync.Mutex
	var open []net.Conn
	var workers sync.WaitGroup
	var failed atomic.Int64
	for range 8 {
		workers.Go(func() {
			for done.Add(1) <= int64(connects) {
				c, err := rawConnect(f.nats.Addr(), credential, hello)
				if err != nil {
					failed.Add(1) // a busy machine; what the server then has counts
					continue
				}
				mu.Lock()
				open = append(open, c)
				if len(open) > 300 {
					i := rand.IntN(len(open))
					c, open = open[i], slices.Delete(open, i, i+1)
				} else {
					c = nil
				}
				mu.Unlock()
				if c != nil {
					_ = c.Close() // the server may have
				}
			}
		})
	}
	workers.Wait()
	closeAll(t, open)
	took, ended := time.Since(began), time.Now()
	f.waitEqual(t, f.nats.NATSServer())
	equal := time.Since(ended)
	status := f.Status()
	t.Logf("figures: %d connects in %v, %d failed; %d events lost, %d received; equal %v after the end; %d differences, %d lists, %d removed because missing, %d adopted, %d gaps",
		connects, took, failed.Load(), dialer.lost.Load(), status.Connects+status.Disconnects, equal,
		status.Differences, status.Scans, status.Missing, status.Adopted, status.Gaps)
	if status.Missing == 0 || dialer.lost.Load() == 0 {
		t.Error("no event was lost, so this has shown nothing")
	}
}

// Events of which nobody hears while the connection is down are made up for after it.
func TestReconnect(t *testing.T) {
	t.Parallel()
	dialer := &lossy{}
	cfg := defaults()
	cfg.Options = []nats.Option{nats.SetCustomDialer(dialer)}
	f := start(t, cfg, nil)
	first := f.client(t, "publisher-key")
	f.the(t, "publisher")
	dialer.disconnect()
	callouttest.Eventually(t, "not ready", func() bool { return f.Ready() != nil })
	callouttest.Eventually(t, "no server answers", func() bool {
		status := f.Status()
		return status.Answering() == 0
	})
	if len(f.Status().Servers) == 0 {
		t.Error("the server is forgotten")
	}
	first.Close()
	f.client(t, "consumer-key")
	dialer.reconnect()
	callouttest.Eventually(t, "only the second is left", func() bool { return slices.Equal(f.users(), []string{"consumer"}) })
	f.waitEqual(t, f.nats.NATSServer())
	callouttest.Eventually(t, "the registry has told why", func() bool { return f.endedBy(sessions.Missing) == 1 })
}

// A list may be larger than max_payload.
func TestLargeList(t *testing.T) {
	t.Parallel()
	const clients = 2_500
	dialer := &lossy{}
	dialer.loseIf(isEvent)
	cfg := defaults()
	cfg.ScanPage, cfg.Options = 4096, []nats.Option{nats.SetCustomDialer(dialer)}
	f := start(t, cfg, nil)
	f.static = true
	var open []net.Conn
	for range clients {
		c, err := rawConnect(f.nats.Addr(), asAdmin(), func(id session.ID) { f.registry.Add(&session.Session{ID: id}) })
		callouttest.Must(t, err)
		open = append(open, c)
	}
	closeAll(t, open)
	callouttest.Eventually(t, "all are confirmed", func() bool { return f.Unconfirmed() == 0 })
	f.waitEqual(t, f.nats.NATSServer())
	if f.registry.Len() != clients {
		t.Errorf("%d sessions", f.registry.Len())
	}
}

// Without a permission that it needs, the connection is not ready, and says so.
func TestNotPermitted(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	on := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, AuthUsers: []string{"poor"}, SystemUsers: []string{
		`{user: poor, password: "test-password", permissions: {publish: ["$SYS.REQ.ACCOUNT.PING.STATZ"], subscribe: ["_INBOX_usher_sessions.>"]}}`,
	}})
	s := servers.New(servers.Config{
		URLs: on.URL(), Options: []nats.Option{nats.UserInfo("poor", callouttest.Password), nats.CustomInboxPrefix("_INBOX_usher_sessions")},
		Now: time.Now, Random: rand.Float64, Log: discard(),
	})
	callouttest.Must(t, s.Start(sessions.New(s.Observer())))
	t.Cleanup(s.Stop)
	callouttest.Eventually(t, "it says that a permission is missing", func() bool { return isNotPermitted(s.Ready()) })
}

// A million connections must fit: this prints what one takes here, besides its session.
func TestMemory(t *testing.T) {
	const n = 200_000
	s := servers.New(servers.Config{URLs: "nats://127.0.0.1:1", Now: time.Now, Log: discard()})
	added := s.Observer().Added
	shared := session.Session{}
	before := heap()
	for i := range uint64(n) {
		x := shared
		x.ID = session.ID{Server: "N", Client: i}
		added(&x)
	}
	waiting := heap() - before
	s.ConfirmAll()
	confirmed := heap() - before
	t.Logf("a connection takes %d bytes; %d until its server has confirmed it", confirmed/n, waiting/n)
	if confirmed/n > 100 {
		t.Error("too much")
	}
	runtime.KeepAlive(s)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
