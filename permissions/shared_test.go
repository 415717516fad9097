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

// What an account does not isolate (docs/explanation/isolation.md). nats-server checks neither
// reply subjects nor deliver subjects, so a client can direct the server's answers to
// subjects that it may not publish to. These tests compare the documentation with a real
// server. If one fails, the server has fixed it.

// shared is an account with two projects: shop, whose members act, and lab.
type shared struct {
	t       *testing.T
	s       *server.Server
	admin   *nats.Conn
	js      jetstream.JetStream
	clients map[string]*nats.Conn // pia publishes, carl consumes, ann is project_admin; solo has the grant of soloAdmin
}

func newShared(t *testing.T, changes ...func(*server.Options)) *shared {
	t.Helper()
	users := map[string]*server.Permissions{"free": nil}
	for _, name := range []string{"pia", "carl", "ann"} {
		g, err := derive(t, newPolicy(), snapshotOf(t, testDirectory()), name, identity.Selection{})
		must(t, err)
		users[name] = permissionsOf(&g)
	}
	g := soloAdmin(t)
	g.Rules = append(g.Rules, subAllow("_INBOX_solo.>"))
	users["solo"] = permissionsOf(&g)
	x := &shared{t: t, s: startServer(t, users, changes...), clients: map[string]*nats.Conn{}}
	x.admin, x.js = connectAdmin(t, x.s)
	for name := range users {
		x.clients[name] = connectAs(t, x.s, name)
	}
	x.reset("shop", "billing")
	x.reset("lab", "reader")
	return x
}

// reset recreates a stream with a consumer; lab gets five messages.
func (x *shared) reset(stream, durable string) {
	x.t.Helper()
	if err := x.js.DeleteStream(x.t.Context(), stream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		x.t.Fatal(err)
	}
	createStream(x.t, x.js, stream)
	_, err := x.js.CreateConsumer(x.t.Context(), stream, jetstream.ConsumerConfig{Durable: durable, AckPolicy: jetstream.AckExplicitPolicy})
	must(x.t, err)
	for range 5 {
		if stream == "lab" {
			_, err := x.js.Publish(x.t.Context(), "lab.results", []byte("secret"))
			must(x.t, err)
		}
	}
}

// store publishes a message to stream shop, and returns its sequence.
func (x *shared) store(body string) uint64 {
	x.t.Helper()
	ack, err := x.js.Publish(x.t.Context(), "shop.orders", []byte(body))
	must(x.t, err)
	return ack.Sequence
}

// acknowledge makes the server send a publish acknowledgement to a subject.
func (x *shared) acknowledge(to string) { send(x.t, x.clients["pia"], "shop.orders", to, "order") }

// status makes the server send a consumer's error, which has no body, to a subject.
func (x *shared) status(to string) {
	send(x.t, x.clients["carl"], "$JS.API.CONSUMER.MSG.NEXT.shop.billing", to, "{")
}

// message makes the server send a consumer's next message, with this body, to a subject.
func (x *shared) message(to, body string) {
	x.t.Helper()
	x.store(body)
	send(x.t, x.clients["carl"], "$JS.API.CONSUMER.MSG.NEXT.shop.billing", to, "")
}

// direct makes the server send a message of a direct get, with this body, to a subject.
// No project_admin may do that in a shared account.
func (x *shared) direct(to, body string) {
	x.t.Helper()
	send(x.t, x.clients["solo"], "$JS.API.DIRECT.GET.shop", to, fmt.Sprintf(`{"seq":%d}`, x.store(body)))
}

// A client can direct an answer of JetStream to a subject that it may not publish to.
func TestSharedAccountReplySubjects(t *testing.T) {
	x := newShared(t)
	bucket, err := x.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "settings"})
	must(t, err)
	for name, direct := range map[string]func(to string){
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
			must(t, x.admin.FlushTimeout(timeout))
			direct(to)
			if _, err := got.NextMsg(timeout); err != nil {
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

// A consumer can reset the consumers of other projects.
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
	callouttest.Eventually(t, "messages are delivered to no client", func() bool { return info().NumAckPending == 3 })
}

// A project_admin can do the same with a push consumer, as long as that exists, but cannot
// acknowledge messages of others.
func TestSharedAccountPush(t *testing.T) {
	x := newShared(t)
	reader, err := x.js.Consumer(t.Context(), "lab", "reader")
	must(t, err)
	var msgs []jetstream.Msg
	for range 2 {
		m, err := reader.Next(jetstream.FetchMaxWait(timeout))
		must(t, err)
		msgs = append(msgs, m)
	}
	push := func(name, to string) {
		create := fmt.Sprintf(`{"stream_name":"shop","config":{"name":%q,"deliver_policy":"last","ack_policy":"none","deliver_subject":%q}}`, name, to)
		reply, err := x.clients["ann"].Request("$JS.API.CONSUMER.CREATE.shop."+name, []byte(create), timeout)
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
	push("ack", msgs[0].Reply())
	inbox, err := x.clients["ann"].SubscribeSync("_INBOX_ann.pushed")
	must(t, err)
	must(t, x.clients["ann"].FlushTimeout(timeout))
	push("inbox", inbox.Subject)
	_, err = inbox.NextMsg(timeout) // the first push consumer has delivered by now
	must(t, err)
	must(t, msgs[1].DoubleAck(t.Context())) // acknowledgements are processed in order
	if n := info().NumAckPending; n != 1 {
		t.Errorf("%d messages wait for their acknowledgement", n)
	}
	x.store(`{"seq":4}`)
	push("reset", "$JS.API.CONSUMER.RESET.lab.reader")
	callouttest.Eventually(t, "the consumer is reset", func() bool { return info().NumPending == 2 && info().NumAckPending == 0 })
}

// The server refuses reply subjects of acknowledgements.
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

// With a direct get, a client can send a stored message to the JetStream API as a request;
// here it creates a consumer on the stream of another project. A project_admin may
// therefore use direct gets only if the project is alone in its account.
//
// Attack: a project_admin reads another project's stream by a direct get with a reply subject of the JetStream API
// Held by: no direct gets where projects share an account
func TestSharedAccountDirectGet(t *testing.T) {
	x := newShared(t)
	ann := dial(t, x.s, "ann")
	for _, subject := range []string{"$JS.API.DIRECT.GET.shop", "$JS.API.DIRECT.GET.shop.shop", "$JS.API.DIRECT.GET.shop.shop.orders"} {
		if ann.allowed(permissions.Publish, subject) {
			t.Errorf("ann may publish %s", subject)
		}
	}
	inbox, err := x.clients["solo"].SubscribeSync("_INBOX_solo.lab")
	must(t, err)
	must(t, x.clients["solo"].FlushTimeout(timeout))
	x.direct("$JS.API.CONSUMER.CREATE.lab.copy", `{"stream_name":"lab","config":{"name":"copy","ack_policy":"none","deliver_subject":"_INBOX_solo.lab"}}`)
	if m, err := inbox.NextMsg(timeout); err != nil || string(m.Data) != "secret" {
		t.Errorf("the attack does not work with direct gets either: %v", err)
	}
}

// apiResult is the result of an answer that is directed to the API as a request.
type apiResult int

const (
	notTested apiResult = iota // needs a cluster or the system account
	refused                    // answered with an error, because the body does not fit
	done
)

// The JetStream API takes answers for requests. A consumer can send an error, which is
// empty; a client with direct gets can send any message. With "strict" off, or before
// nats-server 2.12, a publish acknowledgement works for every request with a sequence.
func TestSharedAccountAPI(t *testing.T) {
	x := newShared(t)
	lax := newShared(t, func(o *server.Options) { o.NoJetStreamStrict = true })
	names := strings.NewReplacer("*.*", "lab.reader", "*.>", "lab.other", "*", "lab")
	table := map[string]struct {
		body                       string
		error, strict, lax, direct apiResult
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
		server.JSApiMsgGet:           {`{"seq":1}`, refused, refused, notTested, notTested}, // its success is not in the audit
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
		// Tested above, or processed by the stream or consumer itself.
		"$JS.API.CONSUMER.RESET.*.*": {}, "$JS.API.CONSUMER.MSG.NEXT.*.*": {}, server.JSDirectMsgGet: {}, server.JSDirectGetLastBySubject: {}, "$JS.API.DIRECT.GET.*.*": {}, "$JS.API.DIRECT.GET": {},
		// Need a cluster.
		server.JSApiStreamRemovePeer: {}, server.JSApiStreamEvacuatePeer: {}, server.JSApiStreamCancelMove: {}, server.JSApiStreamLeaderStepDown: {},
		server.JSApiConsumerLeaderStepDown: {}, server.JSApiConsumerRemovePeer: {}, server.JSApiConsumerEvacuatePeer: {},
		// Need the system account.
		server.JSApiLeaderStepDown: {}, server.JSApiRemoveServer: {}, server.JSApiEvacuateServer: {}, server.JSApiMetaRescue: {}, server.JSApiAccountPurge: {},
		server.JSApiServerStreamMove: {}, server.JSApiServerStreamCancelMove: {},
	}
	for _, pattern := range jetStreamAPI(t) {
		if _, ok := table[pattern]; !ok {
			t.Errorf("%s is not in the table", pattern)
		}
	}
	for pattern, want := range table {
		for name, sender := range map[string]struct {
			x    *shared
			send func(to string)
			want apiResult
		}{
			"error":  {x, x.status, want.error},
			"strict": {x, x.acknowledge, want.strict},
			"lax":    {lax, lax.acknowledge, want.lax},
			"direct": {x, func(to string) { x.direct(to, want.body) }, want.direct},
		} {
			if sender.want == notTested {
				continue
			}
			sender.x.reset("lab", "reader")
			if sender.x == lax {
				lax.reset("shop", "billing") // its acknowledgement has sequence 1, which lab has too
			}
			subject := names.Replace(pattern)
			if got := sender.x.audited(subject, func() { sender.send(subject) }); got != sender.want {
				t.Errorf("%s by %s: %d", subject, name, got)
			}
		}
	}
}

// audited returns the result of the next request on a subject from the server's audit.
func (x *shared) audited(subject string, send func()) apiResult {
	x.t.Helper()
	advisories, err := x.admin.SubscribeSync("$JS.EVENT.ADVISORY.API")
	must(x.t, err)
	must(x.t, x.admin.FlushTimeout(timeout))
	send()
	for {
		m, err := advisories.NextMsg(timeout)
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
