package callout_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/tokens/health"
)

// rule is one permission of a connection.
type rule struct {
	side, subject string
	allowed       bool
}

func allow(side, subject string) rule { return rule{side, subject, true} }
func deny(side, subject string) rule  { return rule{side, subject, false} }

const (
	publish   = "publish"
	subscribe = "subscribe"
)

// tryOperation publishes or subscribes, and reports whether the server permits it. The
// server answers in order, so a permission violation arrives before the flush returns.
func tryOperation(t *testing.T, nc *nats.Conn, side, subject string) bool {
	t.Helper()
	violation := fmt.Sprintf("publish to %q", subject)
	if side == publish {
		callouttest.Must(t, nc.Publish(subject, nil))
	} else {
		violation = fmt.Sprintf("subscription to %q", subject)
		sub, err := nc.SubscribeSync(subject)
		callouttest.Must(t, err)
		defer sub.Unsubscribe() //nolint:errcheck // fails if the server refused the subscription
	}
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
	err := nc.LastError()
	return err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(violation))
}

// deniedToAll returns what is denied to all users without a role for a whole account.
func deniedToAll() []rule {
	var rules []rule
	for _, s := range []string{
		"$SYS.REQ.USER.AUTH", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.APP.CONNZ", "$SRV.PING",
		"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.evil",
		"$JS.API.STREAM.CREATE.shop", "$JS.API.STREAM.UPDATE.shop", "$JS.API.STREAM.DELETE.shop",
		"$JS.API.STREAM.SNAPSHOT.shop", "$JS.API.STREAM.RESTORE.shop", "$JS.API.META.LEADER.STEPDOWN",
		"$JS.API.STREAM.INFO.lab", "$JS.API.STREAM.PURGE.lab", "$JS.API.STREAM.DELETE.lab",
		"$JS.API.STREAM.MSG.GET.lab", "$JS.API.DIRECT.GET.lab", "$JS.API.DIRECT.GET.lab.lab.results",
		"$JS.API.CONSUMER.CREATE.lab.evil", "$JS.API.CONSUMER.CREATE.lab.evil.lab.results",
		"$JS.API.CONSUMER.DURABLE.CREATE.lab.evil", "$JS.API.CONSUMER.NAMES.lab", "$JS.API.CONSUMER.LIST.lab",
		"$JS.API.CONSUMER.INFO.lab.reader", "$JS.API.CONSUMER.MSG.NEXT.lab.reader",
		"$JS.API.CONSUMER.DELETE.lab.reader", "$JS.ACK.lab.reader.1.1.1.1.1", "$JS.FC.lab.reader.x",
		"lab.results", "lab", "shop", "shopping.orders", "market", "market.prices", "far.orders",
		"_INBOX_admin.x", "_INBOX_somebody.x", "_R_.x",
	} {
		rules = append(rules, deny(publish, s))
	}
	for _, s := range []string{
		">", "*", "*.>", "*.*", "$SYS.>", "$SYS.REQ.USER.AUTH", "$SYS.REQ.>", "$SYS.ACCOUNT.*.CONNECT", "$SRV.>",
		"$JS.>", "$JS.API.>", "$JS.ACK.>", "$JS.EVENT.ADVISORY.>", "$KV.>", "$MQTT.>",
		"lab.>", "lab.results", "*.results", "shopping.>", "market.>", "market.*", "far.orders",
		"_INBOX_*.>", "_INBOX_*.x", "_INBOX_admin.>", "_INBOX_somebody.>", "_INBOX_somebody.x", "_R_.>",
	} {
		rules = append(rules, deny(subscribe, s))
	}
	return rules
}

// deniedInbox returns the denials for the shared inbox, in which replies of all users
// are readable.
func deniedInbox() []rule {
	return []rule{deny(publish, "_INBOX.x"), deny(subscribe, "_INBOX.>"), deny(subscribe, "_INBOX.x.y")}
}

func TestSubjects(t *testing.T) {
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		healthToken, err := health.New(t.Context(), s.service.Keyring().Signers()[0], rand.Reader, time.Now())
		callouttest.Must(t, err)
		for _, c := range []struct {
			user, token, account string
			rules                []rule
		}{
			{"ingest", "ingest-key", callouttest.AppAccount, slices.Concat(deniedToAll(), []rule{
				allow(publish, "habitat.event.service_started"),
				allow(publish, "habitat.event.service_stopped"),
				allow(publish, "habitat.event.service_update_started"),
				allow(publish, "habitat.event.healthcheck"),
				deny(publish, "habitat.event"), deny(publish, "habitat.event.a.b"), deny(publish, "habitat.other.a"),
				allow(publish, "_INBOX.x"), allow(publish, "_HB.x"), allow(publish, "_HB.x.y"),
				allow(publish, "_STAN.discover.event-service"), allow(publish, "_STAN.discover.event-service.x"),
				deny(publish, "_STAN.discover.other"),
				allow(publish, "_STAN.pub.x.habitat"), deny(publish, "_STAN.pub.x.other"), deny(publish, "_STAN.pub.x.y.habitat"),
				allow(publish, "_STAN.close.x"), deny(publish, "_STAN.close.x.y"),
				deny(publish, "_STAN.sub.x"), deny(publish, "_STAN.acks.x"), deny(publish, "shop.orders"),
				allow(subscribe, "_INBOX.>"), allow(subscribe, "_INBOX.x"), allow(subscribe, "_INBOX_ingest.>"),
				allow(subscribe, "_STAN.acks.>"), allow(subscribe, "_STAN.acks.x"), allow(subscribe, "_HB.>"),
				allow(subscribe, "_STAN.discover.event-service.*"), deny(subscribe, "_STAN.discover.event-service"),
				deny(subscribe, "_STAN.>"), deny(subscribe, "_STAN.pub.*.habitat"),
				deny(subscribe, "habitat.>"), deny(subscribe, "habitat.event.*"), deny(subscribe, "habitat.event.healthcheck"),
				deny(subscribe, "shop.>"), deny(subscribe, "shop.orders"),
			})},
			{"publisher", "publisher-key", callouttest.AppAccount, slices.Concat(deniedToAll(), deniedInbox(), []rule{
				allow(publish, "shop.orders"), allow(publish, "shop.market.prices"),
				deny(publish, "shop.returns"), deny(publish, "shop.prices"), deny(publish, "shop.market.other"), deny(publish, "shop.orders.x"),
				deny(publish, "$JS.API.STREAM.INFO.shop"), deny(publish, "$JS.API.STREAM.MSG.GET.shop"),
				deny(publish, "$JS.API.CONSUMER.INFO.shop.billing"), deny(publish, "$JS.API.CONSUMER.MSG.NEXT.shop.billing"),
				deny(publish, "$JS.API.CONSUMER.CREATE.shop.evil"), deny(publish, "$JS.ACK.shop.billing.1.1.1.1.1"),
				deny(publish, "_INBOX_consumer.x"), deny(publish, "habitat.event.healthcheck"),
				allow(subscribe, "_INBOX_publisher.>"), allow(subscribe, "_INBOX_publisher.x.y"),
				deny(subscribe, "_INBOX_consumer.>"), deny(subscribe, "_INBOX_publisher2.>"),
				deny(subscribe, "shop.>"), deny(subscribe, "shop.orders"), deny(subscribe, "shop.market.prices"),
			})},
			{"consumer", "consumer-key", callouttest.AppAccount, slices.Concat(deniedToAll(), deniedInbox(), []rule{
				allow(publish, "$JS.API.CONSUMER.INFO.shop.billing"), allow(publish, "$JS.API.CONSUMER.MSG.NEXT.shop.billing"),
				allow(publish, "$JS.ACK.shop.billing.1.1.1.1.1"),
				deny(publish, "$JS.API.CONSUMER.INFO.shop.audit"), deny(publish, "$JS.API.CONSUMER.MSG.NEXT.shop.audit"),
				deny(publish, "$JS.ACK.shop.audit.1.1.1.1.1"),
				deny(publish, "$JS.API.CONSUMER.CREATE.shop.billing"), deny(publish, "$JS.API.CONSUMER.CREATE.shop.billing.shop.returns"),
				deny(publish, "$JS.API.CONSUMER.DURABLE.CREATE.shop.billing"), deny(publish, "$JS.API.CONSUMER.DELETE.shop.billing"),
				deny(publish, "$JS.API.CONSUMER.NAMES.shop"), deny(publish, "$JS.API.STREAM.INFO.shop"),
				deny(publish, "$JS.API.STREAM.MSG.GET.shop"), deny(publish, "$JS.API.DIRECT.GET.shop"),
				deny(publish, "shop.orders"), deny(publish, "shop.returns"), deny(publish, "shop.market.prices"), deny(publish, "_INBOX_publisher.x"),
				allow(subscribe, "_INBOX_consumer.>"), deny(subscribe, "_INBOX_publisher.>"),
				deny(subscribe, "shop.>"), deny(subscribe, "shop.orders"), deny(subscribe, "shop.market.prices"),
			})},
			{"padmin", "padmin-key", callouttest.AppAccount, slices.Concat(deniedToAll(), deniedInbox(), []rule{
				allow(publish, "shop.orders"), allow(publish, "shop.anything.below"), allow(publish, "shop.market.prices"),
				allow(subscribe, "shop.>"), allow(subscribe, "shop.orders"), allow(subscribe, "shop.market.prices"),
				allow(subscribe, "_INBOX_padmin.>"), deny(subscribe, "_INBOX_publisher.>"),
				allow(publish, "$JS.API.STREAM.INFO.shop"), allow(publish, "$JS.API.STREAM.PURGE.shop"),
				allow(publish, "$JS.API.STREAM.MSG.GET.shop"),
				deny(publish, "$JS.API.DIRECT.GET.shop"), deny(publish, "$JS.API.DIRECT.GET.shop.shop.orders"), // lab is in the same account
				deny(publish, "$JS.ACK.shop.hash.lab.reader.1.1.1.1.1"), deny(publish, "$JS.ACK.shop.hash.lab.reader.1.1.1.1.1.x"), deny(publish, "$JS.FC.shop.hash.lab.reader.x"),
				allow(publish, "$JS.API.CONSUMER.LIST.shop"), allow(publish, "$JS.API.CONSUMER.NAMES.shop"),
				allow(publish, "$JS.API.CONSUMER.CREATE.shop.new.shop.orders"), allow(publish, "$JS.API.CONSUMER.DURABLE.CREATE.shop.new"),
				allow(publish, "$JS.API.CONSUMER.INFO.shop.billing"), allow(publish, "$JS.API.CONSUMER.DELETE.shop.new"),
				allow(publish, "$JS.API.CONSUMER.MSG.NEXT.shop.audit"), allow(publish, "$JS.ACK.shop.audit.1.1.1.1.1"),
			})},
			{"sadmin", "sadmin-key", callouttest.AppAccount, []rule{
				allow(publish, "shop.orders"), allow(publish, "lab.results"), allow(publish, "anything.else"),
				allow(publish, "$JS.API.STREAM.INFO.lab"), allow(publish, "$JS.API.STREAM.LIST"), allow(publish, "_INBOX.x"),
				deny(publish, "$SYS.REQ.USER.AUTH"),
				allow(subscribe, ">"), allow(subscribe, "lab.>"), allow(subscribe, "_INBOX.>"), allow(subscribe, "_INBOX_sadmin.>"),
				deny(subscribe, "$SYS.REQ.USER.AUTH"),
			}},
			{health.UserName, healthToken, callouttest.HealthAccount, slices.Concat(deniedToAll(), deniedInbox(), []rule{
				allow(publish, "healthcheck.x"), allow(subscribe, "healthcheck.x"), allow(subscribe, "healthcheck.>"),
				allow(publish, "_INBOX_usher-healthcheck.x"), allow(subscribe, "_INBOX_usher-healthcheck.>"),
				deny(publish, "healthcheck"), deny(subscribe, "healthcheck"),
				deny(publish, "shop.orders"), deny(subscribe, "shop.>"),
				deny(publish, "habitat.event.healthcheck"), deny(subscribe, "_STAN.acks.>"),
			})},
		} {
			t.Run(c.user, func(t *testing.T) {
				nc := s.connect(t, c.token, nats.Name(c.user), ignoreErrors())
				if user, account := s.connInfo(t, nc); user != c.user || account != c.account {
					t.Errorf("user %q in account %q", user, account)
				}
				for _, r := range c.rules {
					if got := tryOperation(t, nc, r.side, r.subject); got != r.allowed {
						t.Errorf("%s %q: allowed %v, want %v", r.side, r.subject, got, r.allowed)
					}
				}
			})
		}
	})
}

// ignoreErrors keeps expected permission errors off the terminal.
func ignoreErrors() nats.Option {
	return nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
}
