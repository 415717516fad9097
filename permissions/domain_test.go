package permissions_test

import (
	"errors"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/callout/callouttest"
	"usher/identity"
	"usher/permissions"
)

// connectAs connects a user of startServer with its private inbox.
func connectAs(t *testing.T, s *server.Server, user string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, "p"), nats.CustomInboxPrefix(permissions.InboxPrefix(user)),
		nats.Timeout(timeout), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// send publishes a message, with or without a reply subject, and returns when the server
// has processed it.
func send(t *testing.T, nc *nats.Conn, subject, reply, body string) {
	t.Helper()
	must(t, nc.PublishRequest(subject, reply, []byte(body)))
	must(t, nc.FlushTimeout(timeout))
}

// The project has the name of the JetStream domain, so acknowledgements in the newer
// format begin with its name for every stream of the account: $JS.ACK.shop.<account hash>.
//
// Attack: a project with the name of the JetStream domain acknowledges and reads every stream of its account
// Held by: every subject below $JS in a grant has its exact number of tokens
func TestProjectLikeDomain(t *testing.T) {
	ann, err := derive(t, newPolicy(), snapshotOf(t, testDirectory()), "ann", identity.Selection{})
	must(t, err)
	open := validGrant(pubAllow("$JS.ACK.shop.>"), pubAllow("$JS.FC.shop.>"), subAllow("_INBOX_open.>"))
	s := startServer(t, map[string]*server.Permissions{"free": nil, "ann": permissionsOf(&ann), "open": permissionsOf(open)},
		func(o *server.Options) { o.JetStreamDomain = "shop" })
	nc, js := connectAdmin(t, s)
	createStream(t, js, "lab")
	createConsumers(t, nc, js, "lab", "reader")
	for range 3 {
		_, err := js.Publish(t.Context(), "lab.results", []byte("secret"))
		must(t, err)
	}
	reader, err := js.Consumer(t.Context(), "lab", "reader")
	must(t, err)
	_, err = reader.Next(jetstream.FetchMaxWait(timeout))
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
		nc := connectAs(t, s, user)
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
		// With an open tail the attack works, so the test detects it.
		if m, err := got.NextMsg(timeout); err != nil || string(m.Data) != "secret" {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// accountHash reads the account hash from the server's subjects in the newer format.
func accountHash(t *testing.T, s *server.Server) string {
	t.Helper()
	pattern := regexp.MustCompile(`^\$JS\.ACK\.shop\.(\w+)\.lab\.reader\.`)
	subjects := serverSubscriptions(t, s)
	i := slices.IndexFunc(subjects, pattern.MatchString)
	if i < 0 {
		t.Fatalf("no acknowledgement subject in the newer format in %q", subjects)
	}
	return pattern.FindStringSubmatch(subjects[i])[1]
}

// A leaf server with its own JetStream domain reaches the hub's JetStream at
// $JS.<domain>.API. Only a service_admin may publish there, because usher does not know
// the domain. On the hub itself the server maps these subjects before it checks
// permissions.
func TestHubJetStreamFromLeaf(t *testing.T) {
	admin := soloAdmin(t)
	root, err := derive(t, newPolicy(), snapshotOf(t, testDirectory()), "root", identity.Selection{})
	must(t, err)
	hub := startServer(t, map[string]*server.Permissions{"free": nil, "ann": permissionsOf(&admin), "root": permissionsOf(&root)}, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "hub", "hub"
		o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", -1
	})
	_, js := connectAdmin(t, hub)
	createStream(t, js, "shop")
	createStream(t, js, "lab")

	varz, err := hub.Varz(nil)
	must(t, err)

	// On the hub, a subject with the domain has the same permissions as without it.
	ann := dial(t, hub, "ann")
	for subject, want := range map[string]bool{
		"$JS.hub.API.STREAM.INFO.shop": true, "$JS.hub.API.STREAM.INFO.lab": false, "$JS.hub.API.STREAM.DELETE.shop": false, "$JS.edge.API.STREAM.INFO.shop": false,
	} {
		if got := ann.allowed(permissions.Publish, subject); got != want {
			t.Errorf("on the hub, %s: %v", subject, got)
		}
	}
	for user, works := range map[string]bool{"ann": false, "root": true} {
		remote := &url.URL{Scheme: "nats-leaf", User: url.UserPassword(user, "p"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(varz.LeafNode.Port))}
		leaf := startServer(t, map[string]*server.Permissions{"free": nil}, func(o *server.Options) {
			o.ServerName, o.JetStreamDomain = "leaf-"+user, "edge"
			o.LeafNode.Remotes = []*server.RemoteLeafOpts{{LocalAccount: "APP", URLs: []*url.URL{remote}}}
		})
		callouttest.Eventually(t, "the leaf is connected", func() bool { return leaf.NumLeafNodes() == 1 })
		nc, _ := connectAdmin(t, leaf)
		request := func(subject string) error {
			_, err := nc.Request(subject, nil, timeout)
			return err
		}
		if !works {
			callouttest.Eventually(t, "what "+user+" publishes at the leaf is in the hub's stream", func() bool {
				must(t, nc.Publish("shop.orders", nil))
				stream, err := js.Stream(t.Context(), "shop")
				return err == nil && stream.CachedInfo().State.Msgs > 0
			})
			if err := request("$JS.hub.API.STREAM.INFO.shop"); !errors.Is(err, nats.ErrNoResponders) {
				t.Errorf("%s: %v", user, err)
			}
			continue
		}
		callouttest.Eventually(t, "the hub's JetStream answers "+user, func() bool { return request("$JS.hub.API.STREAM.INFO.shop") == nil })
	}
}
