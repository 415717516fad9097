package limits_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions/limits"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/callout/session"
)

// Attack: a project_admin fills the project, and adds a user to keep that user out
// Held by: a project limits only who comes for it alone, and a live session is not refused
func TestFullProjectKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	directory := func(pia string) string {
		return callouttest.WithDigests(strings.ReplaceAll(`
users:
  - {name: pia, keys: [{digest: KEY(pia-key)}]}
  - {name: ada, service_roles: [service_admin], keys: [{digest: KEY(ada-key)}]}
  - {name: mallory, keys: [{digest: KEY(mallory-key)}]}
projects:
  - {name: shop, account: APP, members: [{user: pia, roles: [publisher]}]}
  - {name: evil, account: APP, members: [{user: mallory, roles: [project_admin]}PIA]}
`, "PIA", pia))
	}
	for _, oldest := range []bool{false, true} {
		b := newBounded(limits.Config{PerProject: 2}, oldest)
		o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
		service := callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Connections: 2, Sessions: b, Limits: b, Directory: directory("")})
		connect := func(key, name string) *nats.Conn {
			t.Helper()
			nc, err := nats.Connect(o.URLs(), nats.UserInfo(name, key), nats.NoReconnect(), nats.Timeout(10*time.Second))
			if err != nil {
				t.Fatalf("close oldest %v: %s: %v", oldest, key, err)
			}
			t.Cleanup(nc.Close)
			return nc
		}
		pia := connect("pia-key", "")
		for range 2 {
			connect("mallory-key", "")
		}
		service.SetDirectory(t, directory(", {user: pia, roles: [publisher]}"))
		o.Servers[0].Reload(t)
		if err := pia.FlushTimeout(10 * time.Second); err != nil {
			t.Errorf("close oldest %v: the live session: %v", oldest, err)
		}
		connect("pia-key", "")
		connect("pia-key", "project=shop")
		if _, err := nats.Connect(o.URLs(), nats.UserInfo("project=evil", "pia-key"), nats.NoReconnect(), nats.Timeout(10*time.Second)); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("close oldest %v: the project that is full: %v", oldest, err)
		}
		if len(b.numbers()) > 0 {
			t.Errorf("closed %v", b.numbers())
		}
	}
}

// A live session is counted when it is asked about again, and not refused.
func TestLiveSessionIsNotRefused(t *testing.T) {
	b := newBounded(limits.Config{PerProject: 2}, false)
	for n, user := range []string{"a", "b"} {
		if err := b.connect(uint64(n), user, "k", "full"); err != nil {
			t.Fatal(err)
		}
	}
	for _, projects := range [][]string{{"shop"}, {"shop", "full"}, {}, {"full"}} {
		if err := b.connect(3, "pia", "k", projects...); err != nil {
			t.Errorf("%v: %v", projects, err)
		}
	}
	b.leave(0)
	if err := b.connect(4, "a", "k", "full"); err == nil || err.Error() != "project full has 2 connections, the limit is 2" {
		t.Errorf("the live session does not count: %v", err)
	}
}

// Attack: a member connects until the sessions of all others in the project are closed
// Held by: a newcomer to a project takes the place of its own user only
func TestCloseOldestLeavesOthersAlone(t *testing.T) {
	b := newBounded(limits.Config{PerProject: 3}, true)
	for n, user := range []string{"pia", "ada", "mallory"} {
		if err := b.connect(uint64(n+1), user, "k", "shop"); err != nil {
			t.Fatal(err)
		}
	}
	for n := uint64(10); n < 20; n++ {
		if err := b.connect(n, "mallory", "k", "shop"); err != nil {
			t.Error(err)
		}
	}
	if got := fmt.Sprint(b.numbers()); got != "[3 10 11 12 13 14 15 16 17 18]" {
		t.Errorf("closed %s", got)
	}
	if err := b.connect(30, "eve", "k", "shop"); err == nil || err.Error() != "project shop has 3 connections, the limit is 3" {
		t.Errorf("a newcomer without a session: %v", err)
	}
}

// Attack: a client that cannot be closed connects again and again
// Held by: what could not be closed counts, and makes no room
func TestNotClosed(t *testing.T) {
	var down error
	b := newBounded(limits.Config{PerUser: 2, Ready: func() error { return down }}, true)
	refused := 0
	for n := range uint64(50) {
		if err := b.connect(n+1, "mallory", "k"); err != nil {
			refused++
		}
		for _, s := range b.takeClosed() {
			b.NotClosed(s)
		}
	}
	if b.Len() > 4 || refused != 50-b.Len() {
		t.Errorf("%d connections, the limit is 2; %d refused", b.Len(), refused)
	}
	for n := range uint64(50) {
		b.leave(n + 1)
	}
	for n := range uint64(2) {
		if err := b.connect(100+n, "mallory", "k"); err != nil {
			t.Error(err)
		}
	}
	down = errors.New("not connected")
	if err := b.connect(110, "mallory", "k"); !errors.Is(err, session.ErrCountUncertain) || len(b.takeClosed()) > 0 {
		t.Errorf("servers are not reached: %v", err)
	}
	// A session that has ended does not come back.
	down = nil
	if err := b.connect(111, "mallory", "k"); err != nil {
		t.Error(err)
	}
	closed := b.takeClosed()
	b.leave(100)
	for _, s := range closed {
		b.NotClosed(s)
	}
	who, grant := of("mallory", "k")
	if id := (session.ID{Server: "N", Client: 112}); b.Full(id, who, grant) {
		t.Error("full although the oldest one can be closed")
	}
}

// Attack: a client over its limit connects again and again, each time for a denial
// Held by: a connection that has no place is not one that will be granted
func TestFloodOverLimit(t *testing.T) {
	t.Parallel()
	b := newBounded(limits.Config{PerUser: 1}, false)
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Connections: 2, Sessions: b, Limits: b, Directory: callouttest.WithDigests(callouttest.DirectoryYAML), FailuresPerHost: 1, FailuresPerCredential: 1,
	})
	connect := func(key string, timeout time.Duration) error {
		nc, err := nats.Connect(o.URLs(), nats.Token(key), nats.NoReconnect(), nats.Timeout(timeout))
		if err == nil {
			t.Cleanup(nc.Close)
		}
		return err
	}
	if err := connect("publisher-key", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := connect("publisher-key", time.Second); err == nil {
			t.Error("over the limit")
		}
	}
	if err := connect("consumer-key", 10*time.Second); err != nil {
		t.Errorf("another user of the host: %v", err)
	}
	codes := map[string]int{}
	for _, e := range service.Settled(t) {
		codes[e.Text("code")]++
	}
	if codes[callout.CodeFailing] == 0 || codes[callout.CodeTooManyConnections] == 0 {
		t.Errorf("codes %v", codes)
	}
}

// takeClosed returns the sessions that were closed since it was called last.
func (b *bounded) takeClosed() []*session.Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	closed := b.closed
	b.closed = nil
	return closed
}

// A client may send CONNECT again on its connection. That is no way into a project that is full.
//
// Attack: a client connects for a project that has room, and sends a second CONNECT that selects one that is full
// Held by: only a connection that is asked about again for the same project is not refused
func TestSecondConnectIntoFullProject(t *testing.T) {
	t.Parallel()
	b := newBounded(limits.Config{PerProject: 1}, false)
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
	callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Connections: 2, Sessions: b, Limits: b, Directory: callouttest.WithDigests(`
users:
  - {name: pia, keys: [{digest: KEY(pia-key)}]}
  - {name: bob, keys: [{digest: KEY(bob-key)}]}
projects:
  - {name: shop, account: APP, members: [{user: pia, roles: [publisher]}]}
  - {name: full, account: APP, members: [{user: pia, roles: [publisher]}, {user: bob, roles: [publisher]}]}
`)})
	bob, err := nats.Connect(o.URLs(), nats.UserInfo("project=full", "bob-key"), nats.Timeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(o.Servers[0].URL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is sent any more
	callouttest.Must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(conn)
	for _, c := range []struct{ project, want string }{{"shop", "PONG"}, {"shop", "PONG"}, {"full", "-ERR 'Authorization Violation'"}} {
		if _, err := fmt.Fprintf(conn, "CONNECT {\"user\":\"project=%s\",\"pass\":\"pia-key\",\"protocol\":1,\"verbose\":false}\r\nPING\r\n", c.project); err != nil {
			t.Fatal(err)
		}
		got := ""
		for got == "" || strings.HasPrefix(got, "INFO") || got == "PING" {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			got = strings.TrimSpace(line)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.project, got, c.want)
		}
	}
}
