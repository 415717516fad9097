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

// rawMQTT is an MQTT client that sends and receives single packets.
type rawMQTT struct {
	t    *testing.T
	conn net.Conn
}

// newRawMQTT connects with a client id and a key, and returns the return code. change, if
// not nil, changes the CONNECT packet.
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

// release completes the exchange of a QoS 2 message.
func (c *rawMQTT) release() {
	c.t.Helper()
	p := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	p.MessageID, p.Qos = 1, 1
	c.send(p)
	if _, ok := c.receive().(*packets.PubcompPacket); !ok {
		c.t.Fatal("no PUBCOMP")
	}
}

// ping waits until the server has processed all earlier packets.
func (c *rawMQTT) ping() {
	c.t.Helper()
	c.send(packets.NewControlPacket(packets.Pingreq))
	if _, ok := c.receive().(*packets.PingrespPacket); !ok {
		c.t.Fatal("no PINGRESP")
	}
}

// disconnect disconnects, and waits until the server has closed the connection.
func (c *rawMQTT) disconnect() {
	c.t.Helper()
	c.send(packets.NewControlPacket(packets.Disconnect))
	if p, err := packets.ReadPacket(c.conn); err == nil {
		c.t.Fatalf("a packet after DISCONNECT: %v", p)
	}
}

// publishUnderClientID is the attack: a consumer sends a QoS 2 message under the client id
// of a publisher, to a topic to which it may not publish. When the publisher connects
// and releases the message, it is delivered. It returns the delivered message.
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
		consumer.disconnect()
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

// Attack: a consumer sends a QoS 2 message under the MQTT client id of a publisher, and it is delivered as the publisher's
// Held by: the MQTT client id is the name of the user, or starts with it and a colon
func TestMQTTClientIDs(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, true)
	if m := publishUnderClientID(t, s, "publisher:till-7"); string(m.Data) != "the publisher's" {
		t.Errorf("delivered: %q", m.Data)
	}
	if e := s.service.WaitEvent(t, "mqtt_client_id"); e.Text("mqtt_client_id") != "publisher:till-7" || e.Text("user") != "consumer" {
		t.Errorf("event: %v", e)
	}
	for _, c := range []struct {
		id       string
		accepted bool
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
		{"", false}, // the server generates a random id
	} {
		client, refused := s.newRawMQTT(t, c.id, "publisher-key", func(p *packets.ConnectPacket) { p.CleanSession = true })
		if (refused == packets.Accepted) != c.accepted {
			t.Errorf("%q: return code %d", c.id, refused)
		}
		if refused == packets.Accepted {
			client.disconnect()
		}
	}
}

// In an account that allows any client id, the attack works.
func TestAnyMQTTClientID(t *testing.T) {
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
	client.disconnect()
	if _, refused := s.newRawMQTT(t, "x", "both-key", func(p *packets.ConnectPacket) { p.Username = "account=OTHER" }); refused == packets.Accepted {
		t.Error("connected to another account with any client id")
	}
}

// Permissions also hold for wills, retained messages and internal subjects of MQTT. The
// allowed message is published last, so it must arrive first.
func TestMQTTPermissions(t *testing.T) {
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
		client, refused := s.newRawMQTT(t, id, "publisher-key", func(p *packets.ConnectPacket) {
			p.CleanSession, p.WillFlag, p.WillQos, p.WillRetain = true, true, qos, qos > 0 && body == "refused"
			p.WillTopic, p.WillMessage = topic, []byte(body)
		})
		if refused != packets.Accepted {
			t.Fatalf("return code %d", refused)
		}
		callouttest.Must(t, client.conn.Close()) // without a DISCONNECT
		callouttest.Eventually(t, "the server has closed the connection", func() bool {
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
	// No refused message was stored.
	for stream, filter := range map[string]string{"$MQTT_rmsgs": "$MQTT.rmsgs.>", "$MQTT_msgs": "$MQTT.msgs.>"} {
		stored, err := jetStream(t, admin).Stream(t.Context(), stream)
		callouttest.Must(t, err)
		if n := stored.CachedInfo().State.Msgs; n != 0 {
			t.Errorf("%s has %d messages of %s", stream, n, filter)
		}
	}
}

// The subscriptions of a session are checked against the grant of the client that resumes
// it. If its user has lost the role, a QoS 1 subscription delivers nothing.
func TestMQTTSessionAfterRoleRemoval(t *testing.T) {
	t.Parallel()
	const role = "{user: padmin, roles: [project_admin]}"
	s := newTestEnv(t, false)
	for _, newRole := range []string{role, "{user: padmin, roles: [publisher]}"} {
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
		c.disconnect()
		s.service.SetDirectory(t, callouttest.WithDigests(strings.Replace(callouttest.DirectoryYAML, role, newRole, 1)))
		publisher, refused := s.newRawMQTT(t, "publisher", "publisher-key", nil)
		if refused != packets.Accepted {
			t.Fatalf("return code %d", refused)
		}
		publisher.publish("shop/orders", 1, false, "for padmin")
		if _, ok := publisher.receive().(*packets.PubackPacket); !ok {
			t.Fatal("no PUBACK")
		}
		publisher.disconnect()
		c, refused = s.newRawMQTT(t, "padmin", "padmin-key", nil)
		if refused != packets.Accepted {
			t.Fatalf("return code %d", refused)
		}
		if newRole == role {
			m, ok := c.receive().(*packets.PublishPacket)
			if !ok || string(m.Payload) != "for padmin" {
				t.Fatalf("with the role: %v", m)
			}
			answer := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			answer.MessageID = m.MessageID
			c.send(answer)
		}
		c.ping() // a message would arrive before the answer
		c.disconnect()
	}
}

// A reload removes the retained messages of users of auth callout, because these users
// are not in the server's configuration.
func TestMQTTReloadRemovesRetained(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, false)
	admin := s.server.Connect(t, callouttest.AdminUser)
	c, refused := s.newRawMQTT(t, "publisher", "publisher-key", nil)
	if refused != packets.Accepted {
		t.Fatalf("return code %d", refused)
	}
	c.publish("shop/orders", 0, true, "retained")
	c.ping()
	stream, err := jetStream(t, admin).Stream(t.Context(), "$MQTT_rmsgs")
	callouttest.Must(t, err)
	retained := func() string {
		m, err := stream.GetLastMsgForSubject(t.Context(), "$MQTT.rmsgs.shop.orders")
		if err != nil {
			return ""
		}
		return string(m.Data)
	}
	callouttest.Eventually(t, "the message is retained", func() bool { return retained() == "retained" })
	// The server loads retained messages from its stream into memory asynchronously, and a
	// reload checks only those in memory.
	callouttest.Eventually(t, "the message is removed", func() bool {
		s.server.SetServicePassword(t, callouttest.Password) // a reload without changes
		return retained() == ""
	})
}
