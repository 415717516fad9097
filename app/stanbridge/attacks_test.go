package stanbridge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"usher/app/apptest"
	"usher/app/stanbridge"
	"usher/app/stanbridge/stanpb"
	"usher/callout/callouttest"
)

// Attack: a client of NATS Streaming connects with the client ID of another, or closes it, so that the other is told that it was replaced and gives up.
// Held by: the bridge keeps no sessions: nobody is replaced, and a close ends nothing.
func TestForgedClientID(t *testing.T) {
	url := server(t)
	start(t, config(url))
	victim, attacker := apptest.Connected(t, url), apptest.Connected(t, url)
	connect(t, victim, "sup-1")
	connect(t, attacker, "sup-1")
	var closed stanpb.CloseResponse
	ask(t, attacker, "_STAN.close.event-service", &stanpb.CloseRequest{ClientId: "sup-1"}, &closed)
	var pong stanpb.PingResponse
	ask(t, victim, "_STAN.discover.event-service.pings", &stanpb.Ping{ConnId: []byte("conn-sup-1")}, &pong)
	if e := acked(t, victim, publication("sup-1", "g", "x")); e != "" || pong.GetError() != "" {
		t.Errorf("the victim: %q, ping %q", e, pong.GetError())
	}
}

// Attack: a client of NATS Streaming guesses the next guid of another client and publishes with it first, so that the message of the other is dropped as a repeated one.
// Held by: a message is a repeated one only if its data is the same too.
func TestForgedGUID(t *testing.T) {
	url := server(t)
	start(t, config(url))
	nc := apptest.Connected(t, url)
	for range 3 { // a repeated message is stored once, and acknowledged each time
		if e := acked(t, nc, publication("sup-1", "next", "of the attacker")); e != "" {
			t.Error(e)
		}
	}
	if e := acked(t, nc, publication("sup-1", "next", "of the victim")); e != "" {
		t.Error(e)
	}
	if n := messages(t, nc); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// Attack: a client that may publish to one channel names another one inside of the message, as NATS Streaming accepts.
// Held by: the channel in the message must be the one of the subject, which nats-server checks.
func TestChannelInMessage(t *testing.T) {
	url := server(t)
	cfg := config(url)
	cfg.Channels = []string{"habitat", "secret"}
	start(t, cfg)
	nc := apptest.Connected(t, url)
	p := publication("a", "g", "x")
	p.Subject = "secret"
	if e := acked(t, nc, p); e != "stan: invalid publish request" || messages(t, nc) != 0 {
		t.Errorf("%q, %d messages", e, messages(t, nc))
	}
}

// Attack: a client gives a subject that it may not publish to as the one for its answer, so that the bridge publishes there.
// Held by: the bridge answers only on subjects that clients of NATS wait on.
func TestForgedReply(t *testing.T) {
	url := server(t)
	b := start(t, config(url))
	nc := apptest.Connected(t, url)
	data, err := proto.Marshal(publication("a", "g", "x"))
	callouttest.Must(t, err)
	replies := []string{"stan.habitat", "$JS.API.STREAM.PURGE.HABITAT", "_STAN.pub.event-service.habitat", "habitat.event.x"}
	for _, reply := range replies {
		callouttest.Must(t, nc.PublishRequest(pubHabitat, reply, data))
		callouttest.Must(t, nc.PublishRequest("_STAN.sub.event-service", reply, nil))
	}
	callouttest.Eventually(t, "they are not answered", func() bool { return b.Status().Unanswered == uint64(2*len(replies)) })
	if n := messages(t, nc); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// hole makes the stream not answer: something that is no stream has its subject. So what is
// sent to JetStream waits.
func hole(t *testing.T, url string, change func(*stanbridge.Config)) (*stanbridge.Bridge, *nats.Conn) {
	t.Helper()
	cfg := config(url)
	cfg.Stream.Managed = false
	change(cfg)
	nc := apptest.Connected(t, url)
	_, err := nc.Subscribe("stan.habitat", func(*nats.Msg) {})
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Flush())
	b, err := stanbridge.Start(cfg)
	callouttest.Must(t, err)
	stopAtEnd(t, b)
	// An answer comes after its subscriptions, on the same connection.
	callouttest.Eventually(t, "the bridge has subscribed", func() bool {
		_, err := nc.Request("_STAN.discover.event-service", nil, time.Second)
		return err == nil
	})
	return b, nc
}

// Attack: a client of NATS Streaming floods the bridge while JetStream is slow, to fill the memory of usher or to keep others out.
// Held by: what waits is limited in messages and bytes, and no client has more there than is free.
func TestFloodWhileJetStreamIsSlow(t *testing.T) {
	t.Parallel()
	b, nc := hole(t, server(t), func(cfg *stanbridge.Config) {
		cfg.MaxPending, cfg.MaxPendingBytes, cfg.AckWait = 1000, 1<<20, time.Minute
	})
	flood := func(client string, n, size int) {
		for i := range n {
			data, err := proto.Marshal(publication(client, fmt.Sprint(client, i), string(make([]byte, size))))
			callouttest.Must(t, err)
			callouttest.Must(t, nc.Publish(pubHabitat, data))
			if i%500 == 499 {
				callouttest.Must(t, nc.Flush())
			}
		}
		callouttest.Must(t, nc.Flush())
	}
	handled := func(n int) {
		callouttest.Eventually(t, "all have arrived", func() bool {
			s := b.Status()
			return s.Received+s.Refused[stanbridge.ReasonOverflow] == uint64(n)
		})
	}
	flood("flooder", 20000, 10)
	handled(20000)
	alone := b.Status()
	if alone.Pending != 500 || alone.Refused[stanbridge.ReasonShare]+alone.Refused[stanbridge.ReasonOverflow] != 19500 {
		t.Errorf("%+v", alone)
	}
	for i := range 100 { // others find room
		flood(fmt.Sprint("other", i), 1, 10)
	}
	handled(20100)
	if s := b.Status(); s.Pending != 600 {
		t.Errorf("%+v", s)
	}
	for i := range 1000 { // whoever has many names can take all, and no more
		flood(fmt.Sprint("name", i), 1, 1000)
	}
	handled(21100)
	if s := b.Status(); s.Pending > 1000 || s.PendingBytes > 1<<20 || s.Refused[stanbridge.ReasonFull] == 0 {
		t.Errorf("%+v", s)
	}
}

// JetStream that does not answer is silence for clients, and what waited is forgotten.
func TestJetStreamIsSilent(t *testing.T) {
	t.Parallel()
	b, nc := hole(t, server(t), func(cfg *stanbridge.Config) { cfg.AckWait = 100 * time.Millisecond })
	data, err := proto.Marshal(publication("a", "g", "x"))
	callouttest.Must(t, err)
	acks, err := nc.SubscribeSync(nats.NewInbox())
	callouttest.Must(t, err)
	callouttest.Must(t, nc.PublishRequest(pubHabitat, acks.Subject, data))
	callouttest.Eventually(t, "the message is forgotten", func() bool {
		s := b.Status()
		return s.Refused[stanbridge.ReasonUnavailable] == 1 && s.Pending == 0
	})
	connect(t, nc, "a") // what was sent before has arrived
	if m, err := acks.NextMsg(time.Millisecond); err == nil {
		t.Errorf("answered %q", m.Data)
	}
}

// Attack: clients of NATS Streaming connect with ever new client IDs, to fill the memory of usher.
// Held by: the bridge needs to know nothing about a client, and counts a bounded number of them.
func TestManyConnects(t *testing.T) {
	t.Parallel()
	url := server(t)
	b := start(t, config(url))
	nc := apptest.Connected(t, url)
	const n = 20000
	for i := range n {
		data, err := proto.Marshal(&stanpb.ConnectRequest{ClientId: fmt.Sprint("c", i), HeartbeatInbox: "_INBOX.x", Protocol: 1, ConnId: []byte("c")})
		callouttest.Must(t, err)
		callouttest.Must(t, nc.PublishRequest("_STAN.discover.event-service", "_INBOX.nobody", data))
		if i%1000 == 999 {
			connect(t, nc, "me") // waits for those before
		}
	}
	if s := b.Status(); s.Connects != n+n/1000 || s.Clients != 16384 {
		t.Errorf("%d connects, %d clients", s.Connects, s.Clients)
	}
}
