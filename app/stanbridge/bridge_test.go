package stanbridge_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"usher/app/apptest"
	"usher/app/devserver"
	"usher/app/stanbridge"
	"usher/app/stanbridge/stanpb"
	"usher/callout/callouttest"
)

// server starts a nats-server with JetStream and without accounts, and returns its URL.
func server(t *testing.T) string {
	t.Helper()
	return serverWith(t, "")
}

// serverWith is server with more configuration.
func serverWith(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "nats-server.conf")
	text := fmt.Sprintf("listen: \"127.0.0.1:%d\"\njetstream { store_dir: %s }\nmax_payload: 2MB\n"+more, callouttest.FreePort(t), strconv.Quote(filepath.ToSlash(dir)))
	callouttest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	srv, err := devserver.Start(devserver.Config{ConfigFile: file, LogFile: filepath.Join(dir, "log")})
	callouttest.Must(t, err)
	t.Cleanup(srv.Stop)
	return srv.URL()
}

// config returns the configuration of a bridge on a server, with the defaults of usher.yaml.
func config(url string) *stanbridge.Config {
	return &stanbridge.Config{
		URLs: url, Cluster: "event-service", Channels: []string{"habitat"},
		Subject: func(channel string) string { return "stan." + channel },
		Stream: stanbridge.Stream{
			Name: "HABITAT", Managed: true, MaxAge: time.Hour, MaxBytes: -1, Replicas: 1, Durables: []string{"habitat"},
		},
		MaxPayload: 1 << 20, MaxPending: 65536, MaxPendingBytes: 64 << 20, AckWait: 20 * time.Second,
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Observe: func(time.Duration) {}, Failed: func(error) {},
	}
}

// start starts a bridge, and waits until its stream is there. The bridge stops when the test
// ends.
func start(t *testing.T, cfg *stanbridge.Config) *stanbridge.Bridge {
	t.Helper()
	b, err := stanbridge.Start(cfg)
	callouttest.Must(t, err)
	stopAtEnd(t, b)
	callouttest.Eventually(t, "the bridge is ready", func() bool { return b.Status().Stream == nil })
	return b
}

func stopAtEnd(t *testing.T, b *stanbridge.Bridge) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		b.Stop(ctx)
	})
}

// publication returns a message of a client to channel habitat.
func publication(client, guid, data string) *stanpb.PubMsg {
	return &stanpb.PubMsg{ClientId: client, ConnId: []byte("conn-" + client), Guid: guid, Subject: "habitat", Data: []byte(data)}
}

// acked publishes a message and returns the error in the acknowledgement.
func acked(t *testing.T, nc *nats.Conn, p *stanpb.PubMsg) string {
	t.Helper()
	var ack stanpb.PubAck
	ask(t, nc, pubHabitat, p, &ack)
	if ack.GetGuid() != p.GetGuid() {
		t.Errorf("the acknowledgement is for %q", ack.GetGuid())
	}
	return ack.GetError()
}

const pubHabitat = "_STAN.pub.event-service.habitat"

// messages returns how many messages the stream has.
func messages(t *testing.T, nc *nats.Conn) uint64 {
	t.Helper()
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	s, err := js.Stream(t.Context(), "HABITAT")
	callouttest.Must(t, err)
	return s.CachedInfo().State.Msgs
}

// silent fails if a message is answered before another one that is sent after it.
func silent(t *testing.T, nc *nats.Conn, subject string, data []byte) {
	t.Helper()
	inbox, err := nc.SubscribeSync(nats.NewInbox())
	callouttest.Must(t, err)
	callouttest.Must(t, nc.PublishRequest(subject, inbox.Subject, data))
	var pong stanpb.PingResponse
	ask(t, nc, "_STAN.discover.event-service.pings", &stanpb.Ping{ConnId: []byte("c")}, &pong) // the same subscription answers in order
	if m, err := inbox.NextMsg(time.Millisecond); err == nil {
		t.Errorf("%s: answered %q", subject, m.Data)
	}
}

// What clients are told, in the words of NATS Streaming.
func TestRefusals(t *testing.T) {
	t.Parallel()
	url := server(t)
	b := start(t, config(url))
	nc := apptest.Connected(t, url)
	for name, c := range map[string]struct {
		p    *stanpb.PubMsg
		want string
	}{
		"good":                    {publication("a", "g1", "x"), ""},
		"empty":                   {publication("a", "g2", ""), ""},
		"as large as allowed":     {publication("a", "g3", string(make([]byte, 1<<20))), ""},
		"connection ID alone":     {&stanpb.PubMsg{ConnId: []byte("c"), Guid: "g", Subject: "habitat"}, ""},
		"client ID alone":         {&stanpb.PubMsg{ClientId: "a", Guid: "g", Subject: "habitat"}, ""},
		"no guid":                 {publication("a", "", "x"), "stan: invalid publish request"},
		"guid of two lines":       {publication("a", "g\r\nNats-Rollup: all", "x"), "stan: invalid publish request"},
		"no client":               {&stanpb.PubMsg{Guid: "g", Subject: "habitat"}, "stan: invalid publish request"},
		"client ID with wildcard": {publication("*", "g", "x"), "stan: invalid publish request"},
		"no channel":              {&stanpb.PubMsg{ClientId: "a", Guid: "g"}, "stan: invalid publish request"},
		"too large":               {publication("a", "g", string(make([]byte, 1<<20+1))), "stan: message too large"},
	} {
		if got := acked(t, nc, c.p); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	var ack stanpb.PubAck
	ask(t, nc, "_STAN.pub.event-service.other", &stanpb.PubMsg{ClientId: "a", Guid: "g", Subject: "other"}, &ack)
	if ack.GetError() != "stan: unknown channel" {
		t.Errorf("another channel: %q", ack.GetError())
	}
	for _, c := range []struct {
		r    *stanpb.ConnectRequest
		want string
	}{
		{&stanpb.ConnectRequest{ClientId: "a"}, "stan: invalid connection request"},
		{&stanpb.ConnectRequest{ClientId: "a.b", HeartbeatInbox: "_INBOX.x"}, "stan: invalid clientID: only alphanumeric and `-` or `_` characters allowed"},
	} {
		var r stanpb.ConnectResponse
		if ask(t, nc, "_STAN.discover.event-service", c.r, &r); r.GetError() != c.want || r.GetPubPrefix() != "" {
			t.Errorf("%v", &r)
		}
	}
	for _, subject := range []string{"_STAN.sub.event-service", "_STAN.unsub.event-service", "_STAN.subclose.event-service"} {
		var r stanpb.SubscriptionResponse
		if ask(t, nc, subject, &stanpb.Ping{}, &r); r.GetError() != "stan: this cluster does not serve subscriptions: read the JetStream stream" {
			t.Errorf("%s: %v", subject, &r)
		}
	}
	var closed stanpb.CloseResponse
	if ask(t, nc, "_STAN.close.event-service", &stanpb.CloseRequest{}, &closed); closed.GetError() != "stan: unknown clientID" {
		t.Errorf("close: %v", &closed)
	}
	var pong stanpb.PingResponse
	if ask(t, nc, "_STAN.discover.event-service.pings", &stanpb.Ping{ConnId: make([]byte, 1000)}, &pong); pong.GetError() != "client has been replaced or is no longer registered" {
		t.Errorf("ping: %v", &pong)
	}
	silent(t, nc, "_STAN.discover.event-service.pings", nil)
	s := b.Status()
	for reason, want := range map[stanbridge.Reason]uint64{
		stanbridge.ReasonMalformed: 8, stanbridge.ReasonClient: 2, stanbridge.ReasonChannel: 1, stanbridge.ReasonTooLarge: 1, stanbridge.ReasonSubscription: 3,
	} {
		if s.Refused[reason] != want {
			t.Errorf("refused with %s: %d, want %d", reason, s.Refused[reason], want)
		}
	}
	if s.Acked != 5 || messages(t, nc) != 5 || s.Received != 12 || s.Pending != 0 || s.Clients != 2 {
		t.Errorf("%d messages, %+v", messages(t, nc), s)
	}
}

// A client from before protocol 1, byte by byte: no connection ID, an inbox below _HB, no
// pings. It is told no subject for pings.
func TestOldClient(t *testing.T) {
	url := server(t)
	start(t, config(url))
	nc := apptest.Connected(t, url)
	m, err := nc.Request("_STAN.discover.event-service", []byte("\x0a\x05sup-1\x12\x07_HB.abc"), 10*time.Second)
	callouttest.Must(t, err)
	var r stanpb.ConnectResponse
	callouttest.Must(t, proto.Unmarshal(m.Data, &r))
	if r.GetPubPrefix() != "_STAN.pub.event-service" || r.GetCloseRequests() != "_STAN.close.event-service" || r.GetPingRequests() != "" || r.GetError() != "" {
		t.Errorf("%v", &r)
	}
	acks, err := nc.SubscribeSync("_STAN.acks.xyz")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.PublishRequest(pubHabitat, "_STAN.acks.xyz", []byte("\x0a\x05sup-1\x12\x02g1\x1a\x07habitat\x2a\x05hello")))
	m, err = acks.NextMsg(10 * time.Second)
	callouttest.Must(t, err)
	if string(m.Data) != "\x0a\x02g1" {
		t.Errorf("acknowledged %q", m.Data)
	}
	m, err = nc.Request("_STAN.close.event-service", []byte("\x0a\x05sup-1"), 10*time.Second)
	callouttest.Must(t, err)
	if len(m.Data) != 0 {
		t.Errorf("closed %q", m.Data)
	}
}

// A client that has connected elsewhere, or before a restart, is served: its pings and its
// messages. Two bridges share the clients, and one that stops loses nothing.
func TestAnyBridgeServes(t *testing.T) {
	url := server(t)
	first := start(t, config(url))
	nc := apptest.Connected(t, url)
	connect(t, nc, "sup-1")
	start(t, config(url))
	const n = 200
	for i := range n {
		if i == n/2 {
			first.Stop(t.Context())
		}
		var pong stanpb.PingResponse
		ask(t, nc, "_STAN.discover.event-service.pings", &stanpb.Ping{ConnId: []byte("conn-sup-1")}, &pong)
		if e := acked(t, nc, publication("sup-1", fmt.Sprint("g", i), "x")); e != "" || pong.GetError() != "" {
			t.Fatalf("message %d: %s %s", i, e, pong.GetError())
		}
	}
	if stored := messages(t, nc); stored != n {
		t.Errorf("%d messages of %d", stored, n)
	}
}

// Thousands of messages in flight are stored in order, and a bridge that stops in the middle
// acknowledges all that it has taken.
func TestDrain(t *testing.T) {
	t.Parallel()
	url := server(t)
	b := start(t, config(url))
	nc := apptest.Connected(t, url)
	const n = 10000
	acks, err := nc.SubscribeSync("_STAN.acks.drain")
	callouttest.Must(t, err)
	callouttest.Must(t, acks.SetPendingLimits(-1, -1))
	for i := range n {
		data, err := proto.Marshal(publication("sup-1", fmt.Sprint(i), fmt.Sprint(i)))
		callouttest.Must(t, err)
		callouttest.Must(t, nc.PublishRequest(pubHabitat, acks.Subject, data))
	}
	callouttest.Must(t, nc.Flush())
	b.Stop(t.Context())
	callouttest.Must(t, nc.Flush())
	got, _, err := acks.Pending()
	callouttest.Must(t, err)
	stored := messages(t, nc)
	t.Logf("sent %d, stored %d, acknowledged %d", n, stored, got)
	if got == 0 || uint64(got) != stored || b.Status().Pending != 0 {
		t.Errorf("stored %d, acknowledged %d, status %+v", stored, got, b.Status())
	}
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	c, err := js.OrderedConsumer(t.Context(), "HABITAT", jetstream.OrderedConsumerConfig{})
	callouttest.Must(t, err)
	batch, err := c.Fetch(int(stored))
	callouttest.Must(t, err)
	i := 0
	for m := range batch.Messages() {
		if string(m.Data()) != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, m.Data())
		}
		i++
	}
	if uint64(i) != stored {
		t.Errorf("read %d of %d messages", i, stored)
	}
}

// A stream that exists is never changed, and one that is not managed is not created.
func TestStreamOfOthers(t *testing.T) {
	url := server(t)
	cfg := config(url)
	cfg.Stream.Managed = false
	b, err := stanbridge.Start(cfg)
	callouttest.Must(t, err)
	stopAtEnd(t, b)
	nc := apptest.Connected(t, url)
	callouttest.Eventually(t, "the bridge misses the stream", func() bool {
		e := b.Status().Stream
		return e != nil && e.Error() == "stream HABITAT: nats: API error: code=404 err_code=10059 description=stream not found"
	})
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	want := jetstream.StreamConfig{Name: "HABITAT", Subjects: []string{"stan.habitat"}, MaxMsgs: 7, MaxMsgSize: 100, Storage: jetstream.MemoryStorage}
	_, err = js.CreateStream(t.Context(), want)
	callouttest.Must(t, err)
	start(t, config(url))
	s, err := js.Stream(t.Context(), "HABITAT")
	callouttest.Must(t, err)
	if got := s.CachedInfo().Config; got.MaxMsgs != 7 || got.MaxAge != 0 || got.Storage != jetstream.MemoryStorage {
		t.Errorf("%+v", got)
	}
	if e := acked(t, nc, publication("a", "g", string(make([]byte, 200)))); e != "stan: the stream does not accept the message" {
		t.Errorf("a message that the stream refuses: %q", e)
	}
}
