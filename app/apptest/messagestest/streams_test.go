package messagestest_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest/messagestest"
	"usher/callout/callouttest"
	"usher/directory"
)

// With projects.streams: managed, a publisher and a consumer meet over NATS as soon as the API
// has answered, in both modes.
func TestManagedStreams(t *testing.T) {
	t.Parallel()
	for name, operator := range map[string]bool{"config mode": false, "operator mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := messagestest.Start(t, messagestest.Config{Operator: operator})
			s.Project(t, "shop")
			pub := s.Member(t, "shop", "pub", directory.RolePublisher)
			con := s.Member(t, "shop", "con", directory.RoleConsumer)
			s.Topic(t, "shop", "orders", "pub")
			s.Subscription(t, "shop", "billing", "orders", "con")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			js, err := jetstream.New(s.Connect(t, "pub", pub))
			callouttest.Must(t, err)
			_, err = js.Publish(ctx, "shop.orders", []byte("one"))
			callouttest.Must(t, err)
			js, err = jetstream.New(s.Connect(t, "con", con))
			callouttest.Must(t, err)
			consumer, err := js.Consumer(ctx, "shop", "billing")
			callouttest.Must(t, err)
			m, err := consumer.Next(jetstream.FetchContext(ctx))
			callouttest.Must(t, err)
			if string(m.Data()) != "one" {
				t.Errorf("got %q", m.Data())
			}
		})
	}
}
