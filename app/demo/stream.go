package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	provisionWithin = 15 * time.Second // how long usher and JetStream may take to start
	provisionRetry  = 50 * time.Millisecond
)

// errDemoDenied: the user has removed the service_admin of the demo from the directory.
var errDemoDenied = errors.New("the directory no longer allows user " + ServiceAdmin)

// provision creates the demo's stream and consumer as a client with the role service_admin.
// It returns errDemoDenied if usher denies this client or the server denies its requests,
// after ready has returned nil.
func (d *Directory) provision(ctx context.Context, url string, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, provisionWithin)
	defer cancel()
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	nc, err := ConnectWhenReady(ctx, url, ready, nats.Token(d.Token(ServiceAdmin)), nats.Name("usher-dev"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				refuse(fmt.Errorf("%w to create it", errDemoDenied)) // no response will come
			}
		}))
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := MakeStream(ctx, nc); err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errDemoDenied) {
			return cause
		}
		return err
	}
	return nil
}

// MakeStream creates the stream and the consumer of the demo, or updates them.
func MakeStream(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: demoProject, Subjects: []string{demoProject + ".>"},
	})
	if err != nil {
		return fmt.Errorf("create stream: %w", err)
	}
	_, err = stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: demoSubscription, FilterSubject: demoProject + "." + demoTopic, AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		return fmt.Errorf("create consumer: %w", err)
	}
	return nil
}

// ConnectWhenReady connects once ready returns nil, and retries until ctx ends. A denial is
// final: it returns errDemoDenied.
func ConnectWhenReady(ctx context.Context, url string, ready func() error, opts ...nats.Option) (*nats.Conn, error) {
	for {
		err := ready()
		if err == nil {
			var nc *nats.Conn
			nc, err = nats.Connect(url, opts...)
			if err == nil {
				return nc, nil
			}
			if errors.Is(err, nats.ErrAuthorization) {
				return nil, fmt.Errorf("%w to connect", errDemoDenied)
			}
		}
		select {
		case <-time.After(provisionRetry):
		case <-ctx.Done():
			return nil, fmt.Errorf("connect as %s: %w", ServiceAdmin, err)
		}
	}
}
