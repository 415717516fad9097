package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"usher/app/setup"
	"usher/app/stanbridge/stanpb"
)

// oldPace is the time between two events of the old supervisor.
const oldPace = 3 * time.Second

// stanWithin is how long a request of NATS Streaming may take.
const stanWithin = 5 * time.Second

// superviseOld is a supervisor that publishes to a channel of NATS Streaming.
func (r *Run) superviseOld(ctx context.Context, addr string) error {
	config, err := r.externalTLS()
	if err != nil {
		return err
	}
	return r.again(ctx, "the demo's old supervisor", func() error {
		nc, err := nats.Connect("nats://"+addr, nats.Secure(config), nats.Token(r.Directory.Token(OldSupervisor)),
			nats.Name("hab_client_demo-old"), nats.NoReconnect(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			return err
		}
		defer nc.Close()
		c, err := connectStreaming(ctx, nc)
		if err != nil {
			return err
		}
		defer c.close()
		return publish(ctx, oldPace, func(int) error { return c.publish(ctx, setup.Durable, payload("demo-old")) })
	})
}

// streamingClient is what NATS Streaming calls a client: a name that it knows.
type streamingClient struct {
	nc         *nats.Conn
	id         string
	connection []byte
	to         *stanpb.ConnectResponse
}

// connectStreaming makes the client known to the streaming server, or to the bridge.
func connectStreaming(ctx context.Context, nc *nats.Conn) (*streamingClient, error) {
	alive := nats.NewInbox()
	if _, err := nc.Subscribe(alive, func(m *nats.Msg) { _ = m.Respond(nil) }); err != nil {
		return nil, err
	}
	c := &streamingClient{nc: nc, id: "demo-old", connection: []byte(rand.Text()), to: &stanpb.ConnectResponse{}}
	err := c.ask(ctx, "_STAN.discover."+setup.StreamingCluster, &stanpb.ConnectRequest{
		ClientId: c.id, HeartbeatInbox: alive, Protocol: 1, ConnId: c.connection,
	}, c.to)
	if err == nil && c.to.GetError() != "" {
		err = errors.New(c.to.GetError())
	}
	if err != nil {
		return nil, fmt.Errorf("connect to streaming cluster %s: %w", setup.StreamingCluster, err)
	}
	return c, nil
}

// publish publishes to a channel, and waits for the acknowledgement.
func (c *streamingClient) publish(ctx context.Context, channel string, data []byte) error {
	var ack stanpb.PubAck
	err := c.ask(ctx, c.to.GetPubPrefix()+"."+channel, &stanpb.PubMsg{
		ClientId: c.id, Guid: rand.Text(), Subject: channel, Data: data, ConnId: c.connection,
	}, &ack)
	if err == nil && ack.GetError() != "" {
		err = errors.New(ack.GetError())
	}
	if err != nil {
		return fmt.Errorf("publish to channel %s: %w", channel, err)
	}
	return nil
}

// close makes the name free again.
func (c *streamingClient) close() {
	// A server that does not answer finds out by itself.
	_ = c.ask(context.Background(), c.to.GetCloseRequests(), &stanpb.CloseRequest{ClientId: c.id}, &stanpb.CloseResponse{})
}

// ask sends a request and reads the answer.
func (c *streamingClient) ask(ctx context.Context, subject string, request, answer proto.Message) error {
	b, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stanWithin)
	defer cancel()
	m, err := c.nc.RequestWithContext(ctx, subject, b)
	if err != nil {
		return err
	}
	return proto.Unmarshal(m.Data, answer)
}
