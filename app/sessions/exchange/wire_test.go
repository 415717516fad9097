package exchange_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/exchange"
	"usher/callout/callouttest"
	"usher/callout/session"
)

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	data, err := cbor.Marshal(v)
	callouttest.Must(tb, err)
	return data
}

func batch(tb testing.TB, from, to int) []byte {
	tb.Helper()
	var all []*session.Session
	for n := from; n < to; n++ {
		all = append(all, connection(n, "other"))
	}
	data, err := sessions.Encode(all, 1<<20)
	callouttest.Must(tb, err)
	return data[0]
}

// An usher of another version takes part: unknown fields are ignored, and changes that only a
// newer one understands are left out, without asking for them again and again.
func TestOtherVersions(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	one := start(t, "r0", server.URL(), nil)
	<-one.Complete()
	other := server.Connect(t, callouttest.ServiceUser)
	send := func(m map[int]any) {
		t.Helper()
		callouttest.Must(t, other.Publish(exchange.SubjectAll, sealed(exchange.SubjectAll, "", marshal(t, m))))
		callouttest.Must(t, other.Flush())
	}
	added := func(from, to int) map[int]any { return map[int]any{1: batch(t, from, to), 77: "later"} }
	send(map[int]any{1: "newer", 2: 0, 4: map[int]any{1: 7, 4: 10, 5: true, 99: []int{1}}, 99: map[string]any{"a": 1}})
	callouttest.Eventually(t, "the other one is known", func() bool { return len(one.others()) == 1 })
	send(map[int]any{1: "newer", 2: 1, 5: added(0, 10)})
	send(map[int]any{1: "newer", 2: 2, 3: 1000, 5: map[int]any{1: 17}})
	send(map[int]any{1: "newer", 2: 3, 3: 1000, 5: added(10, 20)})
	send(map[int]any{1: "newer", 2: 4, 3: 1, 5: added(20, 30)})
	callouttest.Eventually(t, "the sessions that it understands", func() bool { return one.registry.Len() == 20 })
	s := one.Status()
	if s.Gaps != 0 || s.Malformed != 0 || s.Replicas[0].State.Revision != 7 || s.Replicas[0].Sessions != 10 {
		t.Errorf("%+v", s)
	}
}

// What cannot be read is counted and does no harm.
func TestMalformed(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	one := start(t, "r0", server.URL(), nil)
	<-one.Complete()
	other := server.Connect(t, callouttest.ServiceUser)
	bad := [][]byte{
		nil, []byte("text"), marshal(t, map[int]any{2: 1}), marshal(t, map[int]any{1: "a.b", 2: 1}),
		marshal(t, map[int]any{1: strings.Repeat("a", 100)}), marshal(t, map[int]any{1: "x", 5: map[int]any{}}),
		marshal(t, map[int]any{1: "x", 2: 1, 5: map[int]any{1: []byte("no batch")}}), bytes.Repeat([]byte{0x81}, 100),
	}
	for _, data := range bad {
		callouttest.Must(t, other.Publish(exchange.SubjectAll, sealed(exchange.SubjectAll, "", data)))
	}
	for _, data := range [][]byte{nil, []byte("text"), marshal(t, map[int]any{2: 1})} {
		callouttest.Must(t, other.Publish(exchange.SubjectTo+"r0", sealed(exchange.SubjectTo+"r0", "", data)))
	}
	callouttest.Eventually(t, "all are counted", func() bool { return one.Status().Malformed == uint64(len(bad)+3) })
	if n := one.registry.Len(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// Attack: somebody with the password of the service user, or another user in the callout account, publishes sessions, heartbeats and answers
// Held by: replicas seal their messages with a secret of the keyring, for one subject and one answer
func TestMessagesWithoutSeal(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	one := start(t, "r0", server.URL(), nil)
	<-one.Complete()
	other := server.Connect(t, callouttest.ServiceUser)
	forged := marshal(t, map[int]any{1: "forger", 2: 1, 4: map[int]any{4: 1, 5: true}, 5: map[int]any{1: batch(t, 0, 10)}})
	bad := [][]byte{
		forged, exchange.Seal([]byte("another key"), exchange.SubjectAll, "", forged), sealed(exchange.SubjectAll, "reply", forged),
		sealed(exchange.SubjectTo+"r0", "", forged), append(sealed(exchange.SubjectAll, "", forged), 0), make([]byte, 32), nil,
	}
	for _, data := range bad {
		callouttest.Must(t, other.Publish(exchange.SubjectAll, data))
	}
	request := marshal(t, map[int]any{1: "forger", 2: 1})
	for _, data := range [][]byte{request, sealed(exchange.SubjectAll, "", request)} {
		_, err := other.Request(exchange.SubjectTo+"r0", data, 100*time.Millisecond)
		if !errors.Is(err, nats.ErrTimeout) {
			t.Errorf("an answer: %v", err)
		}
	}
	callouttest.Eventually(t, "all are counted", func() bool { return one.Status().Malformed == uint64(len(bad)+2) })
	if s := one.Status(); one.registry.Len() != 0 || len(s.Replicas) != 0 {
		t.Errorf("%d sessions, %+v", one.registry.Len(), s)
	}
}

// While a key is replaced, replicas with the old one, with both and with the new one agree as
// far as they have a common key.
func TestKeysAreReplaced(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	with := func(keys ...string) func(*exchange.Config) {
		return func(c *exchange.Config) { c.Keys = testKeys(keys) }
	}
	old, both := start(t, "r0", server.URL(), with("old")), start(t, "r1", server.URL(), with("old", "new"))
	waitMembers(t, old, both)
	old.grant(0, 10)
	both.waitSessions(t, numbers(0, 10))
	late := start(t, "r2", server.URL(), with("new", "old"))
	callouttest.Eventually(t, "the late one has them", func() bool { return late.registry.Len() == 10 })
	late.grant(10, 20)
	both.waitSessions(t, numbers(0, 20))
	if n := old.registry.Len(); n != 10 {
		t.Errorf("%d sessions", n)
	}
}

// Attack: a client publishes sessions and heartbeats on the subjects of the replicas
// Held by: the accounts, and usher does not use a connection that is in another account than the callout account
func TestForgedSessions(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	one := start(t, "r0", server.URL(), nil)
	<-one.Complete()
	forged := marshal(t, map[int]any{1: "forger", 2: 1, 4: map[int]any{4: 1, 5: true}, 5: map[int]any{1: batch(t, 0, 10)}})
	for _, user := range []string{callouttest.AdminUser, callouttest.SystemUser} {
		nc := server.Connect(t, user)
		heard, err := nc.SubscribeSync("usher.>")
		callouttest.Must(t, err)
		for _, subject := range []string{exchange.SubjectAll, exchange.SubjectTo + "r0", exchange.SubjectWho} {
			callouttest.Must(t, nc.Publish(subject, forged))
		}
		callouttest.Must(t, nc.Flush())
		own, _, err := heard.Pending()
		callouttest.Must(t, err)
		if own > 3 { // the connection hears itself
			t.Errorf("%s hears %d messages", user, own)
		}
	}
	// In the account of the clients, a replica believes nothing and says nothing.
	stray := start(t, "r1", server.URL(), func(c *exchange.Config) {
		c.Options = append(c.Options, nats.UserInfo(callouttest.AdminUser, callouttest.Password))
	})
	callouttest.Eventually(t, "the wrong account is seen", func() bool { return stray.Status().Account != nil })
	nc := server.Connect(t, callouttest.AdminUser)
	heard, err := nc.SubscribeSync("usher.>")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Flush())
	stray.grant(50, 60)
	stray.Flush()
	callouttest.Must(t, nc.Publish(exchange.SubjectAll, forged))
	callouttest.Must(t, nc.Flush())
	if own, _, err := heard.Pending(); err != nil || own != 1 {
		t.Errorf("%d messages, %v", own, err)
	}
	two := start(t, "r2", server.URL(), nil) // what is true still arrives
	two.grant(100, 110)
	one.waitSessions(t, numbers(100, 110))
	stray.waitSessions(t, numbers(50, 60))
	waitMembers(t, one, two)
	if s := one.Status(); s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

// FuzzReceive: no message panics, and what it adds to the registry is what it says.
func FuzzReceive(f *testing.F) {
	f.Add(marshal(f, map[int]any{1: "x", 2: 1, 5: map[int]any{1: batch(f, 0, 3), 2: []any{map[int]any{1: "NSERVER1", 2: []int{1, 2}, 3: "missing"}}}}))
	f.Add(marshal(f, map[int]any{1: "x", 2: 9, 4: map[int]any{1: 7, 2: make([]byte, 32), 3: make([]byte, 99), 4: -1, 5: true, 6: true}}))
	f.Add(marshal(f, map[int]any{1: "x", 2: uint64(1<<64 - 1), 4: map[int]any{}}))
	f.Add(marshal(f, map[int]any{1: "x", 2: 1, 3: true, 4: map[int]any{4: marshal(f, 1)}, 6: 1, 7: 2, 8: map[string]int{"r1": 4}}))
	f.Add([]byte{0xbf, 0x01, 0x61, 0x78, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		registry := sessions.New()
		x, err := exchange.NewForFuzzing(registry)
		callouttest.Must(t, err)
		x.Receive(data)
		x.Answer(data)
		x.Receive(data)
		if registry.Len() > len(data) {
			t.Errorf("%d sessions of %d bytes", registry.Len(), len(data))
		}
	})
}
