package permissions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/callout/callouttest"
	"usher/identity"
	"usher/permissions"
)

// What an account does not separate (docs/explanation/isolation.md). nats-server checks no
// reply subject and no deliver subject, so its answers can be directed to where
// their receiver may not publish. The tests of this file hold the list to what a
// real server does. When one fails, the server has learnt better.

// shared is an account with two projects: shop, whose members act, and lab.
type shared struct {
	t     *testing.T
	s     *server.Server
	admin *nats.Conn
	js    jetstream.JetStream
	as    map[string]*nats.Conn // pia publishes, carl consumes, ann administers; so does solo, as one whose project is alone
}

func newShared(t *testing.T, changes ...func(*server.Options)) *shared {
	t.Helper()
	users := map[string]*server.Permissions{"free": nil}
	for _, name := range []string{"pia", "carl", "ann"} {
		g, err := derive(t, newPolicy(), snapshotOf(t, world()), name, identity.Selection{})
		must(t, err)
		users[name] = permissionsOf(&g)
	}
	g := solo(t)
	g.Rules = append(g.Rules, subAllow("_INBOX_solo.>"))
	users["solo"] = permissionsOf(&g)
	x := &shared{t: t, s: startServer(t, users, changes...), as: map[string]*nats.Conn{}}
	x.admin, x.js = manage(t, x.s)
	for name := range users {
		x.as[name] = as(t, x.s, name)
	}
	x.reset("shop", "billing")
	x.reset("lab", "reader")
	return x
}

// reset makes a stream anew, with a consumer; lab has five messages.
func (x *shared) reset(stream, durable string) {
	x.t.Helper()
	if err := x.js.DeleteStream(x.t.Context(), stream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		x.t.Fatal(err)
	}
	makeStream(x.t, x.js, stream)
	_, err := x.js.CreateConsumer(x.t.Context(), stream, jetstream.ConsumerConfig{Durable: durable, AckPolicy: jetstream.AckExplicitPolicy})
	must(x.t, err)
	for range 5 {
		if stream == "lab" {
			_, err := x.js.Publish(x.t.Context(), "lab.results", []byte("secret"))
			must(x.t, err)
		}
	}
}

// store puts a message into shop, and returns its sequence.
func (x *shared) store(body string) uint64 {
	x.t.Helper()
	ack, err := x.js.Publish(x.t.Context(), "shop.orders", []byte(body))
	must(x.t, err)
	return ack.Sequence
}

// acknowledge has the server send a publisher's acknowledgement to a subject.
func (x *shared) acknowledge(to string) { send(x.t, x.as["pia"], "shop.orders", to, "order") }

// status has the server send a consumer an error, which has no body.
func (x *shared) status(to string) {
	send(x.t, x.as["carl"], "$JS.API.CONSUMER.MSG.NEXT.shop.billing", to, "{")
}

// message has the server send a consumer the next message, which says body.
func (x *shared) message(to, body string) {
	x.t.Helper()
	x.store(body)
	send(x.t, x.as["carl"], "$JS.API.CONSUMER.MSG.NEXT.shop.billing", to, "")
}

// direct has the server send a message that is read directly, which says body. In
// a shared account nobody may.
func (x *shared) direct(to, body string) {
	x.t.Helper()
	send(x.t, x.as["solo"], "$JS.API.DIRECT.GET.shop", to, fmt.Sprintf(`{"seq":%d}`, x.store(body)))
}

// Everybody who gets an answer from JetStream can place it where it may not publish.
func TestSharedAccountPlacing(t *testing.T) {
	x := newShared(t)
	bucket, err := x.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "settings"})
	must(t, err)
	for name, place := range map[string]func(to string){
		"a publisher, its acknowledgement": x.acknowledge,
		"a consumer, an error":             x.status,
		"a consumer, a message":            func(to string) { x.message(to, "forged") },
		"a direct read":                    func(to string) { x.direct(to, "forged") },
	} {
		for _, user := range []string{"pia", "carl", "ann"} {
			for _, to := range []string{"lab.results", "$KV.settings.key", "_INBOX_other.x"} {
				if dial(t, x.s, user).allowed(permissions.Publish, to) {
					t.Fatalf("%s may publish to %s", user, to)
				}
			}
		}
		for _, to := range []string{"lab.results", "$KV.settings.key", "_INBOX_other.x"} {
			got, err := x.admin.SubscribeSync(to)
			must(t, err)
			must(t, x.admin.FlushTimeout(patience))
			place(to)
			if _, err := got.NextMsg(patience); err != nil {
				t.Errorf("%s, to %s: %v", name, to, err)
			}
			must(t, got.Unsubscribe())
		}
		callouttest.Eventually(t, name+" is in the bucket", func() bool {
			status, err := bucket.Status(t.Context())
			return err == nil && status.Values() > 0
		})
		must(t, x.js.DeleteKeyValue(t.Context(), "settings"))
		bucket, err = x.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "settings"})
		must(t, err)
	}
}

// A consumer moves the consumers of other projects.
func TestSharedAccountConsumers(t *testing.T) {
	x := newShared(t)
	info := func() *jetstream.ConsumerInfo {
		c, err := x.js.Consumer(t.Context(), "lab", "reader")
		must(t, err)
		return c.CachedInfo()
	}
	x.message("$JS.API.CONSUMER.RESET.lab.reader", `{"seq":4}`)
	callouttest.Eventually(t, "a message resets the consumer", func() bool { return info().NumPending == 2 })
	x.message("$JS.API.CONSUMER.RESET.lab.reader", `{"seq":1}`)
	callouttest.Eventually(t, "and back", func() bool { return info().NumPending == 5 })
	x.message("$JS.API.CONSUMER.MSG.NEXT.lab.reader", `{"batch":3,"no_wait":true}`)
	callouttest.Eventually(t, "messages go to nobody", func() bool { return info().NumAckPending == 3 })
}

// A project_admin does the same with a push consumer, for as long as that lives. It
// acknowledges nothing of others by it.
func TestSharedAccountPush(t *testing.T) {
	x := newShared(t)
	reader, err := x.js.Consumer(t.Context(), "lab", "reader")
	must(t, err)
	var taken []jetstream.Msg
	for range 2 {
		m, err := reader.Next(jetstream.FetchMaxWait(patience))
		must(t, err)
		taken = append(taken, m)
	}
	push := func(name, to string) {
		create := fmt.Sprintf(`{"stream_name":"shop","config":{"name":%q,"deliver_policy":"last","ack_policy":"none","deliver_subject":%q}}`, name, to)
		reply, err := x.as["ann"].Request("$JS.API.CONSUMER.CREATE.shop."+name, []byte(create), patience)
		if err != nil || strings.Contains(string(reply.Data), `"error":{`) {
			t.Fatalf("%s: %v", reply.Data, err)
		}
	}
	info := func() *jetstream.ConsumerInfo {
		info, err := reader.Info(t.Context())
		must(t, err)
		return info
	}
	x.store("+TERM")
	push("ack", taken[0].Reply())
	inbox, err := x.as["ann"].SubscribeSync("_INBOX_ann.pushed")
	must(t, err)
	must(t, x.as["ann"].FlushTimeout(patience))
	push("inbox", inbox.Subject)
	_, err = inbox.NextMsg(patience) // so much for delivery
	must(t, err)
	must(t, taken[1].DoubleAck(t.Context())) // acknowledgements are taken in turn
	if n := info().NumAckPending; n != 1 {
		t.Errorf("%d messages wait for their acknowledgement", n)
	}
	x.store(`{"seq":4}`)
	push("reset", "$JS.API.CONSUMER.RESET.lab.reader")
	callouttest.Eventually(t, "the consumer is reset", func() bool { return info().NumPending == 2 && info().NumAckPending == 0 })
}

// An acknowledgement is the one reply subject that the server lets no client name.
func TestSharedAccountAcknowledgements(t *testing.T) {
	x := newShared(t)
	for user, subject := range map[string]string{
		"pia": "shop.orders", "carl": "$JS.API.CONSUMER.MSG.NEXT.shop.billing", "ann": "$JS.API.STREAM.MSG.GET.shop", "solo": "$JS.API.DIRECT.GET.shop",
	} {
		w := dial(t, x.s, user)
		for _, reply := range []string{"$JS.ACK.lab.reader.1.1.1.1.1", "$JS.ACK.hub.hash.lab.reader.1.1.1.1.0", "_R_.x", "_GR_.x"} {
			w.send("PUB %s %s 0\r\n\r\n", subject, reply)
			if got := w.untilPong(); len(got) != 1 || !strings.Contains(got[0], "Publish with Reply") {
				t.Errorf("%s, %s: %q", user, reply, got)
			}
		}
	}
}

// Whoever reads a message directly has the JetStream API do what the message says:
// here it makes a consumer that brings another project's stream. So a project_admin
// may read directly only where the project is alone.
//
// Attack: a project_admin reads another project's stream by a direct read with a reply subject of the JetStream API
// Held by: no direct reads where projects share an account
func TestSharedAccountReading(t *testing.T) {
	x := newShared(t)
	ann := dial(t, x.s, "ann")
	for _, subject := range []string{"$JS.API.DIRECT.GET.shop", "$JS.API.DIRECT.GET.shop.shop", "$JS.API.DIRECT.GET.shop.shop.orders"} {
		if ann.allowed(permissions.Publish, subject) {
			t.Errorf("ann may publish %s", subject)
		}
	}
	inbox, err := x.as["solo"].SubscribeSync("_INBOX_solo.lab")
	must(t, err)
	must(t, x.as["solo"].FlushTimeout(patience))
	x.direct("$JS.API.CONSUMER.CREATE.lab.copy", `{"stream_name":"lab","config":{"name":"copy","ack_policy":"none","deliver_subject":"_INBOX_solo.lab"}}`)
	if m, err := inbox.NextMsg(patience); err != nil || string(m.Data) != "secret" {
		t.Errorf("with direct reads nothing is read either: %v", err)
	}
}

// fate is what becomes of a request to the API that is an answer elsewhere.
type fate int

const (
	elsewhere fate = iota // clusters or the system account only
	refused               // read, and answered with an error: the body does not fit
	done
)

// The JetStream API takes answers for requests: an error, which is empty, from
// whoever may fetch; a message that says anything from whoever may read directly.
// With "strict" off, or before nats-server 2.12, a publisher's acknowledgement does
// for whatever takes a sequence.
func TestSharedAccountAPI(t *testing.T) {
	x := newShared(t)
	lax := newShared(t, func(o *server.Options) { o.NoJetStreamStrict = true })
	names := strings.NewReplacer("*.*", "lab.reader", "*.>", "lab.other", "*", "lab")
	table := map[string]struct {
		body                       string
		error, strict, lax, direct fate
	}{
		server.JSApiAccountInfo:      {"", done, done, done, done},
		server.JSApiStreams:          {"", done, refused, done, done},
		server.JSApiStreamList:       {"", done, refused, done, done},
		server.JSApiStreamInfo:       {"", done, refused, done, done},
		server.JSApiStreamCreate:     {`{"name":"lab","subjects":["lab.>"],"allow_direct":true}`, refused, refused, refused, done},
		server.JSApiStreamUpdate:     {`{"name":"lab","subjects":["lab.>"],"allow_direct":true,"max_msgs":9}`, refused, refused, refused, done},
		server.JSApiStreamDelete:     {"", done, refused, refused, done},
		server.JSApiStreamPurge:      {"", done, refused, done, done},
		server.JSApiMsgDelete:        {`{"seq":1}`, refused, refused, done, done},
		server.JSApiMsgGet:           {`{"seq":1}`, refused, refused, elsewhere, elsewhere}, // what it finds is not audited
		server.JSApiConsumerCreate:   {`{"stream_name":"lab","config":{"ack_policy":"none"}}`, refused, refused, refused, done},
		server.JSApiConsumerCreateEx: {`{"stream_name":"lab","config":{"name":"other","ack_policy":"none"}}`, refused, refused, refused, done},
		server.JSApiDurableCreate:    {`{"stream_name":"lab","config":{"durable_name":"reader","ack_policy":"explicit"}}`, refused, refused, refused, done},
		server.JSApiConsumers:        {"", done, refused, done, done},
		server.JSApiConsumerList:     {"", done, refused, done, done},
		server.JSApiConsumerInfo:     {"", done, refused, refused, done},
		server.JSApiConsumerDelete:   {"", done, refused, refused, done},
		server.JSApiConsumerPause:    {`{"pause_until":"2099-01-01T00:00:00Z"}`, done, refused, done, done},
		server.JSApiConsumerUnpin:    {`{"group":"g"}`, refused, refused, refused, refused},
		server.JSApiStreamSnapshot:   {`{"deliver_subject":"_INBOX_solo.x"}`, refused, refused, refused, done},
		server.JSApiStreamRestore:    {`{"config":{"name":"lab","storage":"file"},"state":{}}`, refused, refused, refused, refused},
		// Read by whoever holds the stream or consumer, and by the tests above.
		"$JS.API.CONSUMER.RESET.*.*": {}, "$JS.API.CONSUMER.MSG.NEXT.*.*": {}, server.JSDirectMsgGet: {}, server.JSDirectGetLastBySubject: {}, "$JS.API.DIRECT.GET.*.*": {}, "$JS.API.DIRECT.GET": {},
		// Of clusters.
		server.JSApiStreamRemovePeer: {}, server.JSApiStreamEvacuatePeer: {}, server.JSApiStreamCancelMove: {}, server.JSApiStreamLeaderStepDown: {},
		server.JSApiConsumerLeaderStepDown: {}, server.JSApiConsumerRemovePeer: {}, server.JSApiConsumerEvacuatePeer: {},
		// Of the system account.
		server.JSApiLeaderStepDown: {}, server.JSApiRemoveServer: {}, server.JSApiEvacuateServer: {}, server.JSApiMetaRescue: {}, server.JSApiAccountPurge: {},
		server.JSApiServerStreamMove: {}, server.JSApiServerStreamCancelMove: {},
	}
	for _, pattern := range apiPatterns(t) {
		if _, ok := table[pattern]; !ok {
			t.Errorf("%s is in no line of the table", pattern)
		}
	}
	for pattern, want := range table {
		for name, way := range map[string]struct {
			x    *shared
			send func(to string)
			want fate
		}{
			"error":  {x, x.status, want.error},
			"strict": {x, x.acknowledge, want.strict},
			"lax":    {lax, lax.acknowledge, want.lax},
			"direct": {x, func(to string) { x.direct(to, want.body) }, want.direct},
		} {
			if way.want == elsewhere {
				continue
			}
			way.x.reset("lab", "reader")
			if way.x == lax {
				lax.reset("shop", "billing") // its acknowledgement says 1, which lab has
			}
			subject := names.Replace(pattern)
			if got := way.x.audited(subject, func() { way.send(subject) }); got != way.want {
				t.Errorf("%s by %s: %d", subject, name, got)
			}
		}
	}
}

// audited returns what the server's own audit says about the next request on a subject.
func (x *shared) audited(subject string, send func()) fate {
	x.t.Helper()
	advisories, err := x.admin.SubscribeSync("$JS.EVENT.ADVISORY.API")
	must(x.t, err)
	must(x.t, x.admin.FlushTimeout(patience))
	send()
	for {
		m, err := advisories.NextMsg(patience)
		if err != nil {
			x.t.Fatalf("%s: %v", subject, err)
		}
		var advisory struct{ Subject, Response string }
		must(x.t, json.Unmarshal(m.Data, &advisory))
		if advisory.Subject != subject {
			continue
		}
		must(x.t, advisories.Unsubscribe())
		if strings.Contains(advisory.Response, `"error":{`) {
			x.t.Log(subject, advisory.Response) // shown if the test fails
			return refused
		}
		return done
	}
}
