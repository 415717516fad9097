package callout_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// nats-server checks clients over TCP, over WebSocket and in process alike: the subject
// of a publish and of a subscription, with or without a queue group. Of a reply subject
// it only checks that it is not internal to the server.
func TestClientPermissions(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, false)
	admin := s.server.Connect(t, callouttest.AdminUser)
	all, err := admin.SubscribeSync("*.*")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.FlushTimeout(testTimeout))
	for name, c := range map[string]struct {
		url string
		opt nats.Option
	}{
		"TCP":        {s.server.URL(), ignoreErrors()},
		"WebSocket":  {s.server.WebSocketURL(), ignoreErrors()},
		"in process": {"", nats.InProcessServer(s.server.NATSServer())},
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := nats.Connect(c.url, c.opt, ignoreErrors(), nats.Token("publisher-key"), nats.Timeout(testTimeout))
			callouttest.Must(t, err)
			defer nc.Close()
			for _, subject := range []string{
				"shop.returns", "$JS.ACK.lab.reader.1.1.1.1.1", "$JS.API.STREAM.INFO.lab", "_R_.x", "_GR_.ABCDEF.ABCDEF.x",
				"$MQTT.sess.x", "$MQTT.qos2.x.1", "$NRG.x", "_INBOX_consumer.x", "$SYS.REQ.USER.AUTH",
			} {
				if tryOperation(t, nc, publish, subject) {
					t.Errorf("published to %s", subject)
				}
			}
			for _, subject := range []string{">", "shop.orders", "_R_.>", "$MQTT.>", "$JS.ACK.>", "_INBOX_consumer.x", "_INBOX_*.x"} {
				if tryOperation(t, nc, subscribe, subject) {
					t.Errorf("subscribed to %s", subject)
				}
				sub, err := nc.QueueSubscribeSync(subject, "workers")
				callouttest.Must(t, err)
				callouttest.Must(t, nc.FlushTimeout(testTimeout))
				if violation := fmt.Sprintf(`subscription to "%s" using queue "workers"`, subject); nc.LastError() == nil || !strings.Contains(strings.ToLower(nc.LastError().Error()), strings.ToLower(violation)) {
					t.Errorf("subscribed to %s with a queue group: %v, %v", subject, sub.IsValid(), nc.LastError())
				}
			}
			for _, reply := range []string{"$JS.ACK.lab.reader.1.1.1.1.1", "_R_.x", "_GR_.ABCDEF.ABCDEF.x", "lab.results"} {
				callouttest.Must(t, nc.PublishRequest("shop.orders", reply, nil))
			}
			m, err := all.NextMsg(testTimeout)
			callouttest.Must(t, err)
			if m.Subject != "shop.orders" || m.Reply != "lab.results" {
				t.Errorf("first message: %s with reply %s", m.Subject, m.Reply)
			}
		})
	}
}
