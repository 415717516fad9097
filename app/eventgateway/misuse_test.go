package eventgateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// What docs/explanation/event-gateway.md says a malicious token holder can do through NATS
// Streaming: it disturbs others, and gets nothing of what they send. Whoever it disconnects
// connects again, and loses nothing.
func TestMisuse(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.Start(t)
	s.startStreaming(t)
	reader, victim := s.read(t), s.publish(t, "victim", "5ms")
	callouttest.Eventually(t, "the victim publishes", func() bool { return received(t, reader)["victim:5"] > 0 })
	attacker := s.Supervisor(t, gatewaytest.IngestToken)

	// It connects with an id of its own, and learns where connections are closed.
	// It names an inbox of a service as its own.
	const inbox = "_INBOX.of-a-service"
	empty, err := s.Service(t, setup.ServiceApplications).SubscribeSync(inbox)
	callouttest.Must(t, err)
	request := text(1, "attacker", 2, inbox)
	answer, err := attacker.Request("_STAN.discover."+setup.StreamingCluster, request, patience)
	callouttest.Must(t, err)
	closing := field(answer.Data, 4)
	if closing == "" {
		t.Fatalf("no subject for closing in %q", answer.Data)
	}

	// A reply goes to the subject that the request names, which others listen to.
	const acks = "_STAN.acks.of-another"
	others, err := s.Supervisor(t, gatewaytest.IngestToken).SubscribeSync("_STAN.acks.>")
	callouttest.Must(t, err)
	callouttest.Eventually(t, "a reply arrives as the acknowledgement of another", func() bool {
		callouttest.Must(t, attacker.PublishRequest("_STAN.discover."+setup.StreamingCluster, acks, request))
		for {
			m, err := others.NextMsg(time.Second)
			if err != nil {
				return false
			}
			if m.Subject == acks {
				return true
			}
		}
	})
	// The streaming server asked the inbox whether the first connection of that id is alive.
	if m, err := empty.NextMsg(patience); err != nil || len(m.Data) > 0 {
		t.Errorf("message to the inbox of a service: %v, %v", m, err)
	}

	// It closes the streaming connections of the victim and of the service.
	for _, id := range []string{"victim", setup.ServiceApplications} {
		m, err := attacker.Request(closing, text(1, id), patience)
		callouttest.Must(t, err)
		if reason := field(m.Data, 1); reason != "" {
			t.Errorf("%s: not closed: %s", id, reason)
		}
	}
	acked := victim.Printed()
	callouttest.Eventually(t, "the victim publishes again", func() bool { return victim.Printed() > acked+20 })
	r := victim.Result()
	if !r.OK || r.Opened < 2 || r.Denials > 0 {
		t.Errorf("victim: %+v", r)
	}
	callouttest.Eventually(t, "the service reads everything that was acknowledged", func() bool { return len(unread(received(t, reader), "victim", r.Count)) == 0 })
	if r := reader.Result(); !r.OK || r.Opened < 2 {
		t.Errorf("reader: %+v", r)
	}
	t.Logf("acknowledged %d, lost 0, streaming connections opened: victim %d", r.Count, r.Opened)
}

// What the same page says about NATS Streaming alone. It publishes to the channel that the
// message names. And it sends the subject that a client gives for heartbeats as it is, so
// whoever connects with line breaks there sends commands as the streaming server.
func TestMisuseOfStreaming(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.Start(t)
	s.startStreaming(t, "--channels", "1")
	attacker := s.Supervisor(t, gatewaytest.IngestToken)
	// NATS Streaming asks the first connection of an id whether it is alive.
	connect := func(id, heartbeats string) {
		t.Helper()
		for range 2 {
			_, err := attacker.Request("_STAN.discover."+setup.StreamingCluster, text(1, id, 2, heartbeats), patience)
			callouttest.Must(t, err)
		}
	}
	callouttest.Eventually(t, "the servers know of the streaming server", func() bool {
		_, err := attacker.Request("_STAN.discover."+setup.StreamingCluster, text(1, "first", 2, "_INBOX.x"), patience)
		return err == nil
	})
	connect("attacker", "_INBOX.x")
	publish := func(to string) string {
		t.Helper()
		m, err := attacker.Request("_STAN.pub."+setup.StreamingCluster+"."+channel, text(1, "attacker", 2, "guid", 3, to, 5, "x"), patience)
		callouttest.Must(t, err)
		return field(m.Data, 2)
	}
	for to, want := range map[string]string{channel: "", "other": "too many channels"} {
		if to != channel {
			publish(channel) // it is there first
		}
		if reason := publish(to); !strings.Contains(reason, want) || (reason == "") != (want == "") {
			t.Errorf("publishing to %s: %q, want %q", to, reason, want)
		}
	}

	service := s.Service(t, setup.ServiceApplications)
	inbox, err := service.SubscribeSync("_INBOX.of-a-service")
	callouttest.Must(t, err)
	callouttest.Must(t, service.Flush())
	const before, after = "_INBOX.x 0\r\n\r\n", "PUB _INBOX.x"
	connect("sender", before+"PUB "+inbox.Subject+" 6\r\nforged\r\n"+after)
	if m, err := inbox.NextMsg(patience); err != nil || string(m.Data) != "forged" {
		t.Errorf("message to the inbox of a service: %v, %v", m, err)
	}
	deaf := ""
	for i := range 20 {
		deaf += fmt.Sprintf("UNSUB %d\r\n", i)
	}
	connect("silencer", before+deaf+after)
	callouttest.Eventually(t, "the streaming server receives nothing any more", func() bool {
		_, err := attacker.Request("_STAN.discover."+setup.StreamingCluster, text(1, "last", 2, "_INBOX.x"), time.Second)
		return err != nil
	})
}

// text encodes a message of protocol buffers with fields that are texts.
func text(pairs ...any) (b []byte) {
	for i := 0; i < len(pairs); i += 2 {
		b = protowire.AppendTag(b, protowire.Number(pairs[i].(int)), protowire.BytesType)
		b = protowire.AppendString(b, pairs[i+1].(string))
	}
	return b
}

// field returns a field of a message that is a text, empty if it is not there.
func field(b []byte, number protowire.Number) string {
	for len(b) > 0 {
		n, kind, head := protowire.ConsumeTag(b)
		if head < 0 {
			return ""
		}
		value := b[head:]
		if n == number && kind == protowire.BytesType {
			s, _ := protowire.ConsumeString(value)
			return s
		}
		size := protowire.ConsumeFieldValue(n, kind, value)
		if size < 0 {
			return ""
		}
		b = value[size:]
	}
	return ""
}
