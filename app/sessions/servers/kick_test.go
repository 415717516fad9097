package servers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/servers"
	"usher/callout/callouttest"
	"usher/callout/session"
)

// the returns the only session of a user.
func (f *fixture) the(t *testing.T, user string) session.ID {
	t.Helper()
	var found []session.ID
	callouttest.Eventually(t, "a session of "+user, func() bool {
		found = nil
		found = f.idsOf(user)
		return len(found) == 1
	})
	return found[0]
}

func (f *fixture) idsOf(user string) []session.ID {
	var found []session.ID
	f.registry.OfUser(user, func(x *session.Session) bool {
		found = append(found, x.ID)
		return true
	})
	return found
}

// A connection of each transport is closed, and that of nobody else. A second kick of the same
// one is no error, nor is one of a connection that there never was.
func TestKick(t *testing.T) {
	t.Parallel()
	f := start(t, defaults(), nil)
	plain, ws, other := f.client(t, "publisher-key"), client(t, f.nats.WebSocketURL(), "consumer-key"), f.client(t, "padmin-key")
	callouttest.RunServerConfig(t, fmt.Sprintf("server_name: edge\nlisten: \"127.0.0.1:-1\"\nleafnodes { reconnect: \"1h\", remotes: [ {url: \"nats://ladmin-key@%s\"} ] }", f.nats.LeafAddr()))
	device := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(f.nats.MQTTURL()).SetClientID("here:till").SetUsername("any").SetPassword("here-key").
		SetAutoReconnect(false).SetConnectTimeout(20 * time.Second).SetProtocolVersion(4))
	if token := device.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatalf("MQTT: %v", token.Error())
	}
	for _, user := range []string{"publisher", "consumer", "ladmin", "here"} {
		id := f.the(t, user)
		callouttest.Must(t, f.Kick(t.Context(), id))
		callouttest.Must(t, f.Kick(t.Context(), id))
		callouttest.Eventually(t, "the session is removed", func() bool { _, ok := f.registry.Find(id); return !ok })
	}
	callouttest.Eventually(t, "all clients are disconnected", func() bool { return plain.IsClosed() && ws.IsClosed() && !device.IsConnected() })
	if !other.IsConnected() {
		t.Error("a client that was not named was closed")
	}
	callouttest.Must(t, f.Kick(t.Context(), session.ID{Server: f.nats.ID(), Client: 1 << 40}))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := f.Kick(ctx, session.ID{Server: "NOSUCH", Client: 1}); !errors.Is(err, servers.ErrStillOpen) {
		t.Errorf("a server that does not answer: %v", err)
	}
	if status := f.Status(); status.KicksFailed != 1 {
		t.Errorf("%+v", status)
	}
}

// Many connections are closed together; what the servers say of it may be lost.
func TestKickAll(t *testing.T) {
	t.Parallel()
	const clients = 1000
	lost := map[string]func(string) bool{
		"nothing is lost":             func(string) bool { return false },
		"events are lost":             isEvent,
		"answers are lost":            func(subject string) bool { return strings.Contains(subject, ".kick.") },
		"events and answers are lost": func(subject string) bool { return isEvent(subject) || strings.Contains(subject, ".kick.") },
	}
	for name, lose := range lost {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dialer := &lossy{}
			cfg := defaults()
			cfg.Options = []nats.Option{nats.SetCustomDialer(dialer)}
			f := start(t, cfg, nil)
			connectMany(t, f.nats.Addr(), clients)
			f.client(t, "consumer-key")
			callouttest.Eventually(t, "all are sessions", func() bool { return f.registry.Len() == clients+1 })
			dialer.loseIf(lose)
			ids := f.idsOf("publisher")
			began := time.Now()
			failed, err := f.KickAll(t.Context(), ids, 0)
			took := time.Since(began)
			callouttest.Must(t, err)
			if len(failed) > 0 || f.nats.NATSServer().NumClients() > 10 {
				t.Errorf("%d failed, the server has %d clients", len(failed), f.nats.NATSServer().NumClients())
			}
			// An answer can come before the event of the same connection.
			callouttest.Eventually(t, "one session is left", func() bool { return f.registry.Len() == 1 })
			t.Logf("%d connections closed in %v", clients, took)
		})
	}
}

// A rate is kept to.
func TestKickRate(t *testing.T) {
	t.Parallel()
	f := start(t, defaults(), nil)
	connectMany(t, f.nats.Addr(), 40)
	callouttest.Eventually(t, "all are sessions", func() bool { return f.registry.Len() == 40 })
	var ids []session.ID
	for x := range f.registry.All {
		ids = append(ids, x.ID)
	}
	began := time.Now()
	failed, err := f.KickAll(t.Context(), ids, 100)
	callouttest.Must(t, err)
	if took := time.Since(began); len(failed) > 0 || took < 350*time.Millisecond {
		t.Errorf("%d failed, after %v", len(failed), took)
	}
	// A list that was just being read can notice an end before its event comes. The registry
	// tells of a removal after it.
	callouttest.Eventually(t, "no session is left", func() bool {
		return f.registry.Len() == 0 && f.endedBy(sessions.Disconnected)+f.endedBy(sessions.Missing) == 40
	})
}

// connectMany connects many clients of publisher at once.
func connectMany(t *testing.T, addr string, n int) {
	t.Helper()
	conns := make([]net.Conn, n)
	errs := make(chan error, n)
	var all sync.WaitGroup
	next := make(chan int)
	for range 8 {
		all.Go(func() {
			for i := range next {
				c, err := rawConnect(addr, withKey("publisher-key"), nil)
				if err != nil {
					errs <- err
					continue
				}
				conns[i] = c
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	closeAll(t, conns)
}

// Details come from the servers, also for many connections at once.
func TestDetails(t *testing.T) {
	t.Parallel()
	cfg := defaults()
	cfg.ScanPage = 20
	f := start(t, cfg, nil)
	connectMany(t, f.nats.Addr(), 100)
	nc := f.client(t, "consumer-key", nats.CustomInboxPrefix("_INBOX_consumer"))
	_, err := nc.SubscribeSync("_INBOX_consumer.x")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Flush())
	id := f.the(t, "consumer")
	one, err := f.Details(t.Context(), []session.ID{id}, true)
	callouttest.Must(t, err)
	if d := one[id]; d.Lang != "go" || d.Version == "" || d.Subscriptions != 1 || len(d.Subjects) != 1 || d.Subjects[0] != "_INBOX_consumer.x" || d.LastActivity.IsZero() {
		t.Errorf("%+v", d)
	}
	callouttest.Eventually(t, "all are sessions", func() bool { return f.registry.Len() == 101 })
	var ids []session.ID
	for x := range f.registry.All {
		ids = append(ids, x.ID)
	}
	all, err := f.Details(t.Context(), append(ids, session.ID{Server: f.nats.ID(), Client: 1 << 40}), false)
	callouttest.Must(t, err)
	if len(all) != 101 || all[id].Subjects != nil {
		t.Errorf("%d connections, %+v", len(all), all[id])
	}
	if _, err := f.Details(t.Context(), []session.ID{{Server: "NOSUCH", Client: 1}}, false); err == nil {
		t.Error("no error for a server that does not answer")
	}
}
