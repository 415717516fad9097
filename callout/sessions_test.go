package callout_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/callout/session"
)

// A client chooses its name and MQTT client id, and each usher keeps them: it keeps little.
// What is granted does not depend on it.
func TestLongTextsOfClients(t *testing.T) {
	t.Parallel()
	r := startReloads(t, nil)
	srv, long := r.o.Servers[0], strings.Repeat("é", 1000)
	nc := r.connect(t, srv.URL(), nats.Token("pia-key"), nats.Name(long))
	lost := make(chan error, 1)
	device := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(srv.MQTTURL()).SetClientID("pia:" + long).SetUsername("any").SetPassword("pia-key").
		SetAutoReconnect(false).SetConnectTimeout(testTimeout).SetProtocolVersion(4).SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
	callouttest.Must(t, waitMQTT(t, device.Connect()))
	defer device.Disconnect(100)
	r.expect(t, r.service, 2)
	srv.Reload(t)
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
	callouttest.Must(t, waitMQTT(t, device.Publish("shop/orders", 1, false, "x")))
	r.expect(t, r.service, 4)
	select {
	case err := <-lost:
		t.Errorf("the device lost its connection: %v", err)
	default:
	}
	for s := range r.registry.All {
		name, id := s.Client.Name, s.Grant.Connection.MQTTClientID
		if len(name) > session.MaxClientText || len(id) > session.MaxMQTTClientID || !utf8.ValidString(name+id) || name == "" && id == "" {
			t.Errorf("name %q, MQTT client id %q", name, id)
		}
	}
	if n := r.registry.Len(); n != 2 {
		t.Errorf("%d sessions", n)
	}
}
