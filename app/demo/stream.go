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
	provisionWithin = 15 * time.Second // how long usher and JetStream may take to be there
	provisionRetry  = 50 * time.Millisecond
)

// errDemoDenied: the directory was changed, and the demo's service_admin is none
// any more.
var errDemoDenied = errors.New("the directory no longer lets " + ServiceAdmin)

// provision makes the demo's stream and consumer the way a service_admin would:
// as a client that usher let in. The error is errDemoDenied if usher did not, or
// the server refused what it asked for; ready tells when that counts.
func (d *Directory) provision(ctx context.Context, url string, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, provisionWithin)
	defer cancel()
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	nc, err := ConnectWhenReady(ctx, url, ready, nats.Token(d.token(ServiceAdmin)), nats.Name("usher-dev"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				refuse(fmt.Errorf("%w make it", errDemoDenied)) // no answer will come
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

func MakeStream(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: demoProject, Subjects: []string{demoProject + ".>"},
	})
	if err != nil {
		return fmt.Errorf("make stream: %w", err)
	}
	_, err = stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: demoSubscription, FilterSubject: demoProject + "." + demoTopic, AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		return fmt.Errorf("make consumer: %w", err)
	}
	return nil
}

// ConnectWhenReady connects once usher can be asked, trying again while its own
// connections come up. A denial by an usher that is there is final.
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
				return nil, fmt.Errorf("%w in", errDemoDenied)
			}
		}
		select {
		case <-time.After(provisionRetry):
		case <-ctx.Done():
			return nil, fmt.Errorf("connect as %s: %w", ServiceAdmin, err)
		}
	}
}
