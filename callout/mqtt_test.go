package callout_test

import (
	"cmp"
	"errors"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"usher/callout/callouttest"
)

const subscribeFailure = 0x80 // MQTT 3.1.1 section 3.9.3

// mqttClient returns an MQTT client that has not connected yet.
func (s testEnv) mqttClient(id, user, password string) mqtt.Client {
	return mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker(s.server.MQTTURL()).SetClientID(id).
		SetUsername(user).SetPassword(password).
		SetAutoReconnect(false).SetConnectTimeout(testTimeout).SetProtocolVersion(4))
}

// waitMQTT waits for an MQTT operation.
func waitMQTT(t *testing.T, token mqtt.Token) error {
	t.Helper()
	if !token.WaitTimeout(2 * testTimeout) {
		t.Fatal("timed out waiting for the MQTT server")
	}
	return token.Error()
}

func TestMQTTCredentials(t *testing.T) {
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		for _, c := range []struct{ name, user, password, code string }{
			{"password with any user name", "anybody", "publisher-key", "granted"},
			{"only a user name", "publisher-key", "", "granted"},
			{"account selected", "account=APP", "both-key", "granted"},
			{"unknown password", "publisher", "unknown-key", "key_unknown"},
			{"only an unknown user name", "unknown-key", "", "key_unknown"},
			{"mistyped key", "anybody", "usher_abc", "key_malformed"},
			{"no credential", "", "", "no_credential"},
			{"expired", "anybody", "late-key", "key_expired"},
			{"other network", "anybody", "elsewhere-key", "key_network"},
		} {
			t.Run(c.name, func(t *testing.T) {
				client := s.mqttClient(strings.TrimSuffix(cmp.Or(c.password, c.user), "-key")+":c", c.user, c.password)
				err := waitMQTT(t, client.Connect())
				if c.code == "granted" {
					callouttest.Must(t, err)
					defer client.Disconnect(100)
				} else if !errors.Is(err, packets.ErrorRefusedNotAuthorised) {
					t.Fatalf("connect: %v", err)
				}
				if e := s.service.WaitEvent(t, c.code); e.Text("client_type") != "mqtt" {
					t.Errorf("event: %v", e)
				}
			})
		}
	})
}

// The grant of a publisher allows the same over MQTT. Topic shop/orders is subject
// shop.orders.
func TestMQTTSubjects(t *testing.T) {
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		admin := s.server.Connect(t, callouttest.AdminUser)
		all, err := admin.SubscribeSync("shop.>")
		callouttest.Must(t, err)
		callouttest.Must(t, admin.Flush())

		client := s.mqttClient("publisher", "anybody", "publisher-key")
		callouttest.Must(t, waitMQTT(t, client.Connect()))
		defer client.Disconnect(100)
		callouttest.Must(t, waitMQTT(t, client.Publish("shop/returns", 0, false, "refused")))
		callouttest.Must(t, waitMQTT(t, client.Publish("shop/orders", 0, false, "at most once")))
		callouttest.Must(t, waitMQTT(t, client.Publish("shop/orders", 1, false, "at least once")))
		for _, want := range []string{"at most once", "at least once"} {
			m, err := all.NextMsg(testTimeout)
			callouttest.Must(t, err)
			if m.Subject != "shop.orders" || string(m.Data) != want {
				t.Errorf("%s: %q, want %q", m.Subject, m.Data, want)
			}
		}
		for topic, qos := range map[string]byte{"shop/orders": 0, "shop/returns": 1, "#": 0, "lab/results": 0} {
			token := client.Subscribe(topic, qos, nil)
			callouttest.Must(t, waitMQTT(t, token))
			if result := token.(*mqtt.SubscribeToken).Result()[topic]; result != subscribeFailure {
				t.Errorf("the publisher subscribed to %s: return code %#x", topic, result)
			}
		}
	})
}
