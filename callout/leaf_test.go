package callout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// startLeaf starts a nats-server that connects to s as a leaf node, with the given user
// part of the URL. It returns the server and a client of it.
func (s testEnv) startLeaf(t *testing.T, userinfo string) (*server.Server, *nats.Conn) {
	t.Helper()
	port := callouttest.FreePort(t)
	text := fmt.Sprintf(`
server_name: leaf
listen: "127.0.0.1:%d"
leafnodes { reconnect: "600s", remotes: [{ url: "nats-leaf://%s@%s", first_info_timeout: "20s" }] }
`, port, userinfo, s.server.LeafAddr())
	leaf := callouttest.RunServerConfig(t, text)
	nc, err := nats.Connect(leaf.ClientURL())
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	return leaf, nc
}

func TestLeafNodeCredentials(t *testing.T) {
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		refusals := authErrors(t, s, callouttest.ServiceUser, "$SYS.ACCOUNT.CLIENT.AUTH.ERR")
		for _, c := range []struct{ name, userinfo, code string }{
			{"service_admin", "ladmin-key", "granted"},
			{"password with any user name", "anybody:ladmin-key", "granted"},
			{"admin of every project of the account", "fleaf-key", "granted"},
			{"unknown token", "unknown-key", "key_unknown"},
			{"publisher", "publisher-key", "leafnode_not_allowed"},
			{"project_admin", "padmin-key", "leafnode_not_allowed"},
			{"service_admin without connection_types", "sadmin-key", "leafnode_not_allowed"},
			{"other connection type", "wsonly-key", "leafnode_not_allowed"},
		} {
			t.Run(c.name, func(t *testing.T) {
				before := len(s.service.Settled(t))
				leaf, _ := s.startLeaf(t, c.userinfo)
				var event callouttest.Event
				callouttest.Eventually(t, "usher gets the request for the leaf node", func() bool {
					events := s.service.Events(t)
					if len(events) == before {
						return false
					}
					event = events[len(events)-1]
					return true
				})
				if event.Text("code") != c.code || event.Text("client_kind") != "Leafnode" {
					t.Errorf("event: %v", event)
				}
				if c.code == "granted" {
					callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
				} else if reason := nextReason(t, refusals); !strings.Contains(reason, "denied, request ") {
					t.Errorf("refused because: %s", reason)
				}
			})
		}
	})
}

// A nats-server as leaf node passes only what the grant allows: it sends nothing that the
// server does not check. For what another program can send, see TestLeafNodeIsUnchecked.
func TestLeafNodeSubjects(t *testing.T) {
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		admin := s.server.Connect(t, callouttest.AdminUser)
		s.service.SetDirectory(t, callouttest.WithDigests(leafDirectory))
		hub, err := admin.SubscribeSync(">")
		callouttest.Must(t, err)
		callouttest.Must(t, admin.Flush())
		leaf, nc := s.startLeaf(t, "owner-key")
		callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
		leafSide, err := nc.SubscribeSync(">")
		callouttest.Must(t, err)
		inbox, err := nc.SubscribeSync("_INBOX_owner.>")
		callouttest.Must(t, err)

		// Interest is propagated asynchronously: retry until a message arrives.
		callouttest.Eventually(t, "an allowed message arrives at the hub", func() bool {
			for _, subject := range []string{"elsewhere.x", "lab.results", "shop.orders"} {
				callouttest.Must(t, nc.Publish(subject, []byte("up")))
			}
			callouttest.Must(t, nc.Flush())
			return received(hub, "shop.orders", "up")
		})
		callouttest.Eventually(t, "an allowed message arrives at the leaf node", func() bool {
			for _, subject := range []string{"elsewhere.x", "_INBOX_consumer.x", "_INBOX_owner.x"} {
				callouttest.Must(t, admin.Publish(subject, []byte("down")))
			}
			callouttest.Must(t, admin.Flush())
			return received(inbox, "_INBOX_owner.x", "down")
		})
		for _, c := range []struct {
			sub           *nats.Subscription
			data, allowed string
		}{{hub, "up", "shop.orders"}, {leafSide, "down", "_INBOX_owner.x"}} {
			for {
				m, err := c.sub.NextMsg(100 * time.Millisecond)
				if err != nil {
					break // no more messages
				}
				if string(m.Data) == c.data && m.Subject != c.allowed {
					t.Errorf("received %s %s", m.Subject, c.data)
				}
			}
		}
	})
}

// received reads messages until one matches, and reports whether one did.
func received(sub *nats.Subscription, subject, data string) bool {
	for {
		m, err := sub.NextMsg(50 * time.Millisecond)
		if err != nil {
			return false
		}
		if m.Subject == subject && string(m.Data) == data {
			return true
		}
	}
}
