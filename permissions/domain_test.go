package permissions_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/identity"
	"usher/permissions"
)

// as connects a user of startServer, with the inbox that usher gives it.
func as(t *testing.T, s *server.Server, user string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, "p"), nats.CustomInboxPrefix(permissions.InboxPrefix(user)),
		nats.Timeout(patience), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// send publishes, with a reply subject or without, and returns when the server has
// taken it or refused it.
func send(t *testing.T, nc *nats.Conn, subject, reply, body string) {
	t.Helper()
	must(t, nc.PublishRequest(subject, reply, []byte(body)))
	must(t, nc.FlushTimeout(patience))
}

// The project is called like the JetStream domain, so the newer acknowledgements
// of every stream of the account begin as its own do: $JS.ACK.shop.<account hash>.
//
// Attack: a project called like the JetStream domain acknowledges and reads every stream of its account
// Held by: every subject below $JS in a grant has its exact number of tokens
func TestProjectLikeDomain(t *testing.T) {
	ann, err := derive(t, newPolicy(), snapshotOf(t, world()), "ann", identity.Selection{})
	must(t, err)
	open := handmade(pubAllow("$JS.ACK.shop.>"), pubAllow("$JS.FC.shop.>"), subAllow("_INBOX_open.>"))
	s := startServer(t, map[string]*server.Permissions{"free": nil, "ann": permissionsOf(&ann), "open": permissionsOf(open)},
		func(o *server.Options) { o.JetStreamDomain = "shop" })
	nc, js := manage(t, s)
	makeStream(t, js, "lab")
	makeConsumers(t, nc, js, "lab", "reader")
	for range 3 {
		_, err := js.Publish(t.Context(), "lab.results", []byte("secret"))
		must(t, err)
	}
	reader, err := js.Consumer(t.Context(), "lab", "reader")
	must(t, err)
	_, err = reader.Next(jetstream.FetchMaxWait(patience))
	must(t, err)
	hash := accountHash(t, s)
	newer := "$JS.ACK.shop." + hash + ".lab.reader.1.1.1.1.0"
	flow := "$JS.FC.shop." + hash + ".lab.reader-push.x"

	for _, user := range []string{"ann", "open"} {
		allowed := user == "open"
		w := dial(t, s, user)
		for _, subject := range []string{newer, newer + ".x", newer + ".x.y", flow} {
			if got := w.allowed(permissions.Publish, subject); got != allowed {
				t.Errorf("%s publishes %s: %v", user, subject, got)
			}
		}
		nc := as(t, s, user)
		got, err := nc.SubscribeSync(permissions.InboxPrefix(user) + ".x")
		must(t, err)
		send(t, nc, newer+".x", got.Subject, "+NXT")
		info, err := reader.Info(t.Context())
		must(t, err)
		if !allowed {
			if info.Delivered.Consumer != 1 || info.NumAckPending != 1 {
				t.Errorf("%s moved the consumer: %+v", user, info)
			}
			continue
		}
		// The test would notice: with an open tail it works.
		if m, err := got.NextMsg(patience); err != nil || string(m.Data) != "secret" {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// accountHash takes the hash that stands in the newer subjects from the server.
func accountHash(t *testing.T, s *server.Server) string {
	t.Helper()
	form := regexp.MustCompile(`^\$JS\.ACK\.shop\.(\w+)\.lab\.reader\.`)
	subjects := held(t, s)
	i := slices.IndexFunc(subjects, form.MatchString)
	if i < 0 {
		t.Fatalf("no newer acknowledgement in %q", subjects)
	}
	return form.FindStringSubmatch(subjects[i])[1]
}
