package setup_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// store starts the internal server and the store of an event gateway with a bridge.
func store(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	internal := g.Server(t, setup.FileInternal)
	g.Server(t, setup.FileStore)
	callouttest.Eventually(t, "the store has joined", func() bool { return internal.LeafNodes() == 1 })
	return g
}

func stream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.NewWithDomain(nc, setup.StoreDomain)
	callouttest.Must(t, err)
	return js
}

// The bridge creates the stream and its consumer and stores messages; the
// applications-service reads and acknowledges them, all through the internal server.
func TestStore(t *testing.T) {
	g := store(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	bridge := stream(t, g.Service(t, setup.ServiceBridge))
	callouttest.Eventually(t, "the internal server knows the subjects of the store", func() bool {
		_, err := bridge.CreateStream(ctx, jetstream.StreamConfig{Name: setup.StreamHabitat, Subjects: []string{setup.StreamSubject("habitat")}})
		return err == nil
	})
	_, err := bridge.CreateConsumer(ctx, setup.StreamHabitat, jetstream.ConsumerConfig{Durable: setup.Durable, AckPolicy: jetstream.AckExplicitPolicy})
	callouttest.Must(t, err)
	_, err = bridge.Publish(ctx, setup.StreamSubject("habitat"), []byte("x"))
	callouttest.Must(t, err)

	reader := stream(t, g.Service(t, setup.ServiceApplications))
	consumer, err := reader.Consumer(ctx, setup.StreamHabitat, setup.Durable)
	callouttest.Must(t, err)
	m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
	callouttest.Must(t, err)
	if m.Subject() != setup.StreamSubject("habitat") || string(m.Data()) != "x" {
		t.Errorf("read %s %q", m.Subject(), m.Data())
	}
	callouttest.Must(t, m.DoubleAck(ctx))
}

// Attack: a service that may read the stream deletes messages, the stream or the consumer of another, or writes into it.
// Held by: a service has exactly the subjects of one consumer: its state, its messages and their acknowledgements.
func TestStoreRefuses(t *testing.T) {
	g := store(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	refused := make(chan error, 16)
	nc := g.Service(t, setup.ServiceApplications, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	for _, subject := range []string{
		"$JS.store.API.STREAM.DELETE.HABITAT", "$JS.store.API.STREAM.PURGE.HABITAT", "$JS.store.API.STREAM.MSG.GET.HABITAT",
		"$JS.store.API.STREAM.UPDATE.HABITAT", "$JS.store.API.CONSUMER.CREATE.HABITAT.other", "$JS.store.API.CONSUMER.DELETE.HABITAT.habitat",
		"$JS.store.API.CONSUMER.MSG.NEXT.HABITAT.other", "$JS.API.STREAM.NAMES", setup.StreamSubject("habitat"), "_STAN.sub.event-service",
	} {
		callouttest.Must(t, nc.Publish(subject, nil))
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", subject, err)
			}
		case <-ctx.Done():
			t.Fatalf("%s was not refused", subject)
		}
	}
}

// Attack: a service of the internal server joins it as a leaf node, which nats-server checks less than a client, and reads what other services are sent.
// Held by: only the store's user may be a leaf node, and it has no other kind of connection.
func TestStoreIsTheOnlyLeaf(t *testing.T) {
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	internal := g.Server(t, setup.FileInternal)
	_, err := nats.Connect("nats://"+g.Internal, nats.Secure(g.InternalTLS(t, setup.ServiceStore)))
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("the store's certificate connected as a client: %v", err)
	}
	text, err := os.ReadFile(g.Path(setup.FileStore))
	callouttest.Must(t, err)
	server, leaf, found := strings.Cut(string(text), "leafnodes {")
	if !found {
		t.Fatalf("%s", text)
	}
	leaf = strings.ReplaceAll(leaf, "/"+setup.ServiceStore+".", "/"+setup.ServiceApplications+".")
	callouttest.Must(t, os.WriteFile(g.Path(setup.FileStore), []byte(server+"leafnodes {"+leaf), 0o600))
	g.Server(t, setup.FileStore)
	callouttest.Eventually(t, "the service is refused", func() bool {
		log, err := os.ReadFile(g.Path(setup.FileStore + ".log"))
		return err == nil && strings.Contains(string(log), "Authorization Violation")
	})
	if n := internal.LeafNodes(); n != 0 {
		t.Errorf("%d leaf nodes", n)
	}
}
