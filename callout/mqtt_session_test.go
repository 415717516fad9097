package callout_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// rawMQTT speaks MQTT packet by packet.
type rawMQTT struct {
	t    *testing.T
	conn net.Conn
}

// newRawMQTT connects with a client id and a key, after change has had its way
// with the packet, and returns what the server said.
func (s testEnv) newRawMQTT(t *testing.T, id, key string, change func(*packets.ConnectPacket)) (*rawMQTT, byte) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.server.MQTTURL(), "tcp://"))
	callouttest.Must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	callouttest.Must(t, conn.SetDeadline(time.Now().Add(4*testTimeout)))
	c := &rawMQTT{t, conn}
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.ClientIdentifier, p.Keepalive = "MQTT", 4, id, 60
	p.UsernameFlag, p.PasswordFlag, p.Username, p.Password = true, true, "anybody", []byte(key)
	if change != nil {
		change(p)
	}
	c.send(p)
	ack, ok := c.receive().(*packets.ConnackPacket)
	if !ok {
		t.Fatal("no CONNACK")
	}
	return c, ack.ReturnCode
}

func (c *rawMQTT) send(p packets.ControlPacket) {
	c.t.Helper()
	callouttest.Must(c.t, p.Write(c.conn))
}

func (c *rawMQTT) receive() packets.ControlPacket {
	c.t.Helper()
	p, err := packets.ReadPacket(c.conn)
	callouttest.Must(c.t, err)
	return p
}

func (c *rawMQTT) publish(topic string, qos byte, retain bool, body string) {
	c.t.Helper()
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Qos, p.Retain, p.Payload = topic, qos, retain, []byte(body)
	if qos > 0 {
		p.MessageID = 1
	}
	c.send(p)
}

// release ends the exchange of a message of QoS 2.
func (c *rawMQTT) release() {
	c.t.Helper()
	p := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	p.MessageID, p.Qos = 1, 1
	c.send(p)
	if _, ok := c.receive().(*packets.PubcompPacket); !ok {
		c.t.Fatal("no PUBCOMP")
	}
}

// ping waits until the server has worked off what came before.
func (c *rawMQTT) ping() {
	c.t.Helper()
	c.send(packets.NewControlPacket(packets.Pingreq))
	if _, ok := c.receive().(*packets.PingrespPacket); !ok {
		c.t.Fatal("no PINGRESP")
	}
}

// leave disconnects, and waits until the server has seen it.
func (c *rawMQTT) leave() {
	c.t.Helper()
	c.send(packets.NewControlPacket(packets.Disconnect))
	if p, err := packets.ReadPacket(c.conn); err == nil {
		c.t.Fatalf("a packet after DISCONNECT: %v", p)
	}
}

// The attack: a consumer leaves a message, under the client id of a publisher and
// to a topic that it may not publish, for the publisher to release. It returns
// what was delivered.
func publishUnderClientID(t *testing.T, s testEnv, id string) *nats.Msg {
	t.Helper()
	admin := s.server.Connect(t, callouttest.AdminUser)
	all, err := admin.SubscribeSync("shop.orders")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.FlushTimeout(testTimeout))
	if consumer, refused := s.newRawMQTT(t, id, "consumer-key", nil); refused == packets.Accepted {
		consumer.publish("shop/orders", 2, false, "the consumer's")
		if _, ok := consumer.receive().(*packets.PubrecPacket); !ok {
			t.Fatal("no PUBREC")
		}
		consumer.leave()
	}
	publisher, refused := s.newRawMQTT(t, id, "publisher-key", nil)
	if refused != packets.Accepted {
		t.Fatalf("the publisher was refused: %d", refused)
	}
	publisher.publish("shop/orders", 2, false, "the publisher's")
	if _, ok := publisher.receive().(*packets.PubrecPacket); !ok {
		t.Fatal("no PUBREC")
	}
	publisher.release()
	m, err := all.NextMsg(testTimeout)
	callouttest.Must(t, err)
	return m
}

// Attack: a consumer's QoS 2 message, left under another's MQTT client id, is delivered as that one's
// Held by: the id of an MQTT client is the name of its user, or begins with it and a colon
func TestMQTTClientIDsAreOfUsers(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, true)
	if m := publishUnderClientID(t, s, "publisher:till-7"); string(m.Data) != "the publisher's" {
		t.Errorf("delivered: %q", m.Data)
	}
	if e := s.service.WaitEvent(t, "mqtt_client_id"); e.Text("mqtt_client_id") != "publisher:till-7" || e.Text("user") != "consumer" {
		t.Errorf("event: %v", e)
	}
	for _, c := range []struct {
		id string
		in bool
	}{
		{"publisher", true},
		{"publisher:", true},
		{"publisher:a:b", true},
		{"publisher2", false},
		{"publisher-1", false},
		{"Publisher", false},
		{"x:publisher", false},
		{":publisher", false},
		{"consumer", false},
		{"till-7", false},
		{"", false}, // the server makes one up, which is nobody's
	} {
		client, refused := s.newRawMQTT(t, c.id, "publisher-key", func(p *packets.ConnectPacket) { p.CleanSession = true })
		if (refused == packets.Accepted) != c.in {
			t.Errorf("%q: return code %d", c.id, refused)
		}
		if refused == packets.Accepted {
			client.leave()
		}
	}
}

// What an account takes upon itself that needs any ids: the attack works there.
func TestMQTTClientIDsOfAnAccount(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	s := testEnv{t: t, server: srv, service: callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), AnyMQTT: []string{callouttest.AppAccount},
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})}
	if m := publishUnderClientID(t, s, "till-7"); string(m.Data) != "the consumer's" {
		t.Errorf("delivered: %q", m.Data)
	}
	client, refused := s.newRawMQTT(t, "", "publisher-key", func(p *packets.ConnectPacket) { p.CleanSession = true })
	if refused != packets.Accepted {
		t.Fatalf("without an id: return code %d", refused)
	}
	client.leave()
	if _, refused := s.newRawMQTT(t, "x", "both-key", func(p *packets.ConnectPacket) { p.Username = "account=OTHER" }); refused == packets.Accepted {
		t.Error("in another account too")
	}
}

// What MQTT can say beyond a publish and a subscription: wills, retained messages,
// and the server's own subjects. The message that is allowed comes last, so it would
// be seen last.
func TestMQTTIsEnforced(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, false)
	admin := s.createStreams(t)
	_, err := jetStream(t, admin).Publish(t.Context(), "lab.results", nil)
	callouttest.Must(t, err)
	reader, err := jetStream(t, admin).Consumer(t.Context(), "lab", "reader")
	callouttest.Must(t, err)
	first, err := reader.Next()
	callouttest.Must(t, err)
	all, err := admin.SubscribeSync("*.*")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.FlushTimeout(testTimeout))

	will := func(topic string, qos byte, body string) {
		id := "publisher:will"
		willed, refused := s.newRawMQTT(t, id, "publisher-key", func(p *packets.ConnectPacket) {
			p.CleanSession, p.WillFlag, p.WillQos, p.WillRetain = true, true, qos, qos > 0 && body == "refused"
			p.WillTopic, p.WillMessage = topic, []byte(body)
		})
		if refused != packets.Accepted {
			t.Fatalf("return code %d", refused)
		}
		callouttest.Must(t, willed.conn.Close()) // without a DISCONNECT
		callouttest.Eventually(t, "the server has seen it leave", func() bool {
			z, err := s.server.NATSServer().Connz(&server.ConnzOptions{MQTTClient: id})
			return err == nil && len(z.Conns) == 0
		})
	}
	for qos := range byte(3) {
		will("shop/returns", qos, "refused")
	}
	will("shop/orders", 0, "allowed will")
	if m, err := all.NextMsg(testTimeout); err != nil || m.Subject != "shop.orders" || string(m.Data) != "allowed will" {
		t.Errorf("%v passed: %v", m, err)
	}
	c, refused := s.newRawMQTT(t, "publisher:c", "publisher-key", func(p *packets.ConnectPacket) { p.CleanSession = true })
	if refused != packets.Accepted {
		t.Fatalf("return code %d", refused)
	}
	ack := strings.ReplaceAll(first.Reply(), ".", "/")
	for _, topic := range []string{
		"shop/returns", ack, "$JS/API/STREAM/INFO/lab", "$MQTT/msgs/shop/returns", "$MQTT/rmsgs/shop/returns",
		"$MQTT/sess/x", "$MQTT/qos2/x/1", "$MQTT/deliver/pubrel/x", "_R_/x", "_INBOX_consumer/x", "$SYS/REQ/USER/AUTH",
	} {
		c.publish(topic, 0, true, "refused")
	}
	for _, filter := range []string{
		"#", "$MQTT/#", "$MQTT/msgs/#", "$MQTT/rmsgs/#", "$MQTT/sub/+", "$JS/#", "_R_/#", "_INBOX_consumer/#", "$SYS/#", "shop/returns",
	} {
		p := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
		p.MessageID, p.Topics, p.Qoss = 7, []string{filter}, []byte{1}
		c.send(p)
		answer, ok := c.receive().(*packets.SubackPacket)
		if !ok || len(answer.ReturnCodes) != 1 || answer.ReturnCodes[0] != subscribeFailure {
			t.Errorf("%s: %v", filter, answer)
		}
	}
	c.publish("shop/orders", 0, false, "allowed")
	c.ping()
	if m, err := all.NextMsg(testTimeout); err != nil || m.Subject != "shop.orders" {
		t.Errorf("%v passed: %v", m, err)
	}
	info, err := reader.Info(t.Context())
	if err != nil || info.NumAckPending != 1 {
		t.Errorf("the message of another project is acknowledged: %+v, %v", info, err)
	}
	// Nothing of it was kept for those who come.
	for stream, filter := range map[string]string{"$MQTT_rmsgs": "$MQTT.rmsgs.>", "$MQTT_msgs": "$MQTT.msgs.>"} {
		kept, err := jetStream(t, admin).Stream(t.Context(), stream)
		callouttest.Must(t, err)
		if n := kept.CachedInfo().State.Msgs; n != 0 {
			t.Errorf("%s holds %d messages of %s", stream, n, filter)
		}
	}
}

// What a session holds from before is checked against the grant of whoever goes on
// with it: a subscription of QoS 1 whose user has lost the role brings nothing.
func TestMQTTSessionLosesWhatItsUserLoses(t *testing.T) {
	t.Parallel()
	const role = "{user: padmin, roles: [project_admin]}"
	s := newTestEnv(t, false)
	for _, now := range []string{role, "{user: padmin, roles: [publisher]}"} {
		s.service.SetDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
		c, refused := s.newRawMQTT(t, "padmin", "padmin-key", nil)
		if refused != packets.Accepted {
			t.Fatalf("return code %d", refused)
		}
		p := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
		p.MessageID, p.Topics, p.Qoss = 7, []string{"shop/+"}, []byte{1}
		c.send(p)
		if answer, ok := c.receive().(*packets.SubackPacket); !ok || answer.ReturnCodes[0] != 1 {
			t.Fatalf("%v", answer)
		}
		c.leave()
		s.service.SetDirectory(t, callouttest.WithDigests(strings.Replace(callouttest.DirectoryYAML, role, now, 1)))
		publisher, refused := s.newRawMQTT(t, "publisher", "publisher-key", nil)
		if refused != packets.Accepted {
			t.Fatalf("return code %d", refused)
		}
		publisher.publish("shop/orders", 1, false, "for padmin")
		if _, ok := publisher.receive().(*packets.PubackPacket); !ok {
			t.Fatal("no PUBACK")
		}
		publisher.leave()
		c, refused = s.newRawMQTT(t, "padmin", "padmin-key", nil)
		if refused != packets.Accepted {
			t.Fatalf("return code %d", refused)
		}
		if now == role {
			m, ok := c.receive().(*packets.PublishPacket)
			if !ok || string(m.Payload) != "for padmin" {
				t.Fatalf("with the role: %v", m)
			}
			answer := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			answer.MessageID = m.MessageID
			c.send(answer)
		}
		c.ping() // a message would come before the answer
		c.leave()
	}
}

// A reload of the server's configuration removes what users of auth callout have
// retained, for it finds them nowhere in that configuration.
func TestMQTTReloadRemovesRetained(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, false)
	admin := s.server.Connect(t, callouttest.AdminUser)
	c, refused := s.newRawMQTT(t, "publisher", "publisher-key", nil)
	if refused != packets.Accepted {
		t.Fatalf("return code %d", refused)
	}
	c.publish("shop/orders", 0, true, "kept")
	c.ping()
	kept, err := jetStream(t, admin).Stream(t.Context(), "$MQTT_rmsgs")
	callouttest.Must(t, err)
	retained := func() string {
		m, err := kept.GetLastMsgForSubject(t.Context(), "$MQTT.rmsgs.shop.orders")
		if err != nil {
			return ""
		}
		return string(m.Data)
	}
	callouttest.Eventually(t, "it is retained", func() bool { return retained() == "kept" })
	// The server takes retained messages from its stream into memory a little later,
	// and a reload looks at those in memory only.
	callouttest.Eventually(t, "it is gone", func() bool {
		s.server.SetServicePassword(t, callouttest.Password) // nothing has changed
		return retained() == ""
	})
}
