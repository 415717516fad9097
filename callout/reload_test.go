package callout_test

import (
	"fmt"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// reloadClient is a client that connects again when it loses its connection.
type reloadClient interface {
	// try publishes a text on shop.orders if the client is connected. It may be lost.
	try(t *testing.T, text string)
}

type reloadNATS struct{ *nats.Conn }

func (c reloadNATS) try(t *testing.T, text string) {
	t.Helper()
	if err := c.Publish("shop.orders", []byte(text)); err == nil {
		_ = c.FlushTimeout(testTimeout) // fails if the connection is lost
	}
}

func startReloadNATS(t *testing.T, url string) reloadClient {
	t.Helper()
	nc, err := nats.Connect(url, nats.Token("near-key"), nats.Timeout(testTimeout), nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1), ignoreErrors())
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	return reloadNATS{nc}
}

type reloadMQTT struct{ mqtt.Client }

func (c reloadMQTT) try(t *testing.T, text string) {
	t.Helper()
	if c.IsConnectionOpen() {
		c.Publish("shop/orders", 0, false, text).WaitTimeout(testTimeout)
	}
}

func startReloadMQTT(t *testing.T, s *deployment) reloadClient {
	t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(s.mqtt).SetClientID("near:of").SetUsername("any").SetPassword("near-key").
		SetMaxReconnectInterval(100 * time.Millisecond).SetConnectTimeout(testTimeout).SetProtocolVersion(4))
	callouttest.Must(t, waitMQTT(t, c.Connect()))
	t.Cleanup(func() { c.Disconnect(100) })
	return reloadMQTT{c}
}

func startReloadLeaf(t *testing.T, s *deployment) reloadClient {
	t.Helper()
	leaf := callouttest.RunServerConfig(t, fmt.Sprintf(`
server_name: leaf
listen: "127.0.0.1:%d"
leafnodes { reconnect: "100ms", remotes: [{ url: "nats-leaf://anybody:leaf-near-key@%s", first_info_timeout: "20s" }] }
`, callouttest.FreePort(t), s.leaf))
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	nc, err := nats.Connect(leaf.ClientURL(), nats.Timeout(testTimeout))
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	return reloadNATS{nc}
}

// A reload of nats-server denies nobody, in either mode, with every release, over every
// transport and to nats.js, which gives up for good at the second denial in a row. In
// config mode the server closes every connection of the callout and asks nothing, and so do
// older releases in operator mode: the clients come back. Newer ones ask again.
func TestReloadOfEachRelease(t *testing.T) {
	t.Parallel()
	tested := serverRelease(t)
	for _, mode := range []struct {
		name        string
		since, mqtt release
		start       func(*testing.T) *deployment
	}{
		{"config mode", firstCallout, firstCallout, func(t *testing.T) *deployment { t.Helper(); return startConfigMode(t, false) }},
		{"operator mode", firstSentinel, firstMQTT, func(t *testing.T) *deployment { t.Helper(); return startOperatorMode(t, false, false) }},
	} {
		for _, client := range []struct {
			name  string
			since release
			start func(*testing.T, *deployment) reloadClient
		}{
			{"nats.go", mode.since, func(t *testing.T, s *deployment) reloadClient { t.Helper(); return startReloadNATS(t, s.url) }},
			{"WebSocket", mode.since, func(t *testing.T, s *deployment) reloadClient { t.Helper(); return startReloadNATS(t, s.ws) }},
			{"nats.js", mode.since, func(t *testing.T, s *deployment) reloadClient { t.Helper(); return startNatsJS(t, s.url, "near-key") }},
			{"MQTT", mode.mqtt, startReloadMQTT},
			{"leaf node", mode.since, startReloadLeaf},
		} {
			if !tested.has(client.since) {
				t.Logf("%s has no default_sentinel for %s", tested, client.name)
				continue
			}
			t.Run(mode.name+", "+client.name, func(t *testing.T) {
				t.Parallel()
				s := mode.start(t)
				reloadAndPublish(t, s, client.start(t, s))
			})
		}
	}
}

func reloadAndPublish(t *testing.T, s *deployment, c reloadClient) {
	t.Helper()
	const reloads = 3
	sub, err := s.admin.SubscribeSync("shop.orders")
	callouttest.Must(t, err)
	callouttest.Must(t, s.admin.FlushTimeout(testTimeout))
	for n := range reloads + 1 {
		if n > 0 {
			s.reload(n)
		}
		text := fmt.Sprintf("after reload %d", n)
		callouttest.Eventually(t, "a message arrives "+text, func() bool {
			c.try(t, text)
			for {
				m, err := sub.NextMsg(200 * time.Millisecond)
				if err != nil {
					return false
				}
				if string(m.Data) == text {
					return true
				}
			}
		})
	}
	for _, e := range s.service.Settled(t) {
		if e.Text("outcome") != "granted" {
			t.Errorf("%v", e)
		}
	}
}
