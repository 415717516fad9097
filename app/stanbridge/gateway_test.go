package stanbridge_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/app/stanbridge"
	"usher/app/stanbridge/stanpb"
	"usher/callout/callouttest"
)

// ask sends a message of the protocol and returns the answer in r.
func ask(t *testing.T, nc *nats.Conn, subject string, q, r proto.Message) {
	t.Helper()
	data, err := proto.Marshal(q)
	callouttest.Must(t, err)
	m, err := nc.Request(subject, data, 10*time.Second)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	callouttest.Must(t, proto.Unmarshal(m.Data, r))
}

// connect connects as a client of protocol 1.
func connect(t *testing.T, nc *nats.Conn, id string) *stanpb.ConnectResponse {
	t.Helper()
	var r stanpb.ConnectResponse
	ask(t, nc, "_STAN.discover.event-service", &stanpb.ConnectRequest{
		ClientId: id, HeartbeatInbox: "_INBOX.hb", Protocol: 1, ConnId: []byte("conn-" + id), PingInterval: 5, PingMaxOut: 3,
	}, &r)
	if r.GetError() != "" {
		t.Fatal(r.GetError())
	}
	return &r
}

// gateway starts an event gateway with a bridge and returns it, and a supervisor.
func gateway(t *testing.T) (*gatewaytest.Gateway, *nats.Conn) {
	t.Helper()
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	g.Start(t)
	return g, g.Supervisor(t, gatewaytest.IngestToken)
}

// read returns a consumer of the stream, as the applications-service reads it.
func read(t *testing.T, g *gatewaytest.Gateway) jetstream.Consumer {
	t.Helper()
	js, err := jetstream.NewWithDomain(g.Service(t, setup.ServiceApplications), setup.StoreDomain)
	callouttest.Must(t, err)
	var c jetstream.Consumer
	callouttest.Eventually(t, "the durable is there", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c, err = js.Consumer(ctx, setup.StreamHabitat, setup.Durable)
		return err == nil
	})
	return c
}

// What a client publishes through the event gateway is acknowledged, and read from the
// stream with its headers.
func TestPublishThroughGateway(t *testing.T) {
	t.Parallel()
	g, nc := gateway(t)
	consumer := read(t, g)
	r := connect(t, nc, "sup-1")
	for i := range 3 {
		guid := fmt.Sprintf("guid%d", i)
		var ack stanpb.PubAck
		ask(t, nc, r.GetPubPrefix()+".habitat", &stanpb.PubMsg{ClientId: "sup-1", ConnId: []byte("conn-sup-1"), Guid: guid, Subject: "habitat", Data: []byte{byte(i)}}, &ack)
		if ack.GetGuid() != guid || ack.GetError() != "" {
			t.Errorf("acknowledged %q, error %q", ack.GetGuid(), ack.GetError())
		}
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		callouttest.Must(t, err)
		if len(m.Data()) != 1 || m.Data()[0] != byte(i) || m.Subject() != "stan.habitat" || m.Headers().Get(stanbridge.HeaderClientID) != "sup-1" ||
			m.Headers().Get(stanbridge.HeaderGUID) != guid || m.Headers().Get(stanbridge.HeaderChannel) != "habitat" {
			t.Errorf("read %s %q %v", m.Subject(), m.Data(), m.Headers())
		}
		callouttest.Must(t, m.Ack())
	}
	var pong stanpb.PingResponse
	ask(t, nc, r.GetPingRequests(), &stanpb.Ping{ConnId: []byte("conn-sup-1")}, &pong)
	var closed stanpb.CloseResponse
	ask(t, nc, r.GetCloseRequests(), &stanpb.CloseRequest{ClientId: "sup-1"}, &closed)
	if pong.GetError() != "" || closed.GetError() != "" {
		t.Errorf("ping: %q, close: %q", pong.GetError(), closed.GetError())
	}
}
