package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"usher/app/demo/gateway/event"
	"usher/app/demo/supervisor"
	"usher/app/server"
)

// pace is the time between two events of a supervisor.
const pace = time.Second

// play connects the applications service, announces the site, and lets the supervisors
// publish, until ctx ends.
func (r *Run) play(ctx context.Context, in *server.Server, s *servers) error {
	if err := r.waitJoined(ctx, in, s); err != nil {
		return unlessEnded(ctx, err)
	}
	reader, err := r.connectReader(address(s.internal))
	if err != nil {
		return err
	}
	defer reader.Close()
	if err := r.readCore(reader); err != nil {
		return err
	}
	if err := errors.Join(r.Announce(r.running(in.APIURL(), s)), r.log.Release()); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.supervise(ctx, address(s.external)) })
	if r.streaming() != Off {
		group.Go(func() error { return r.stream(ctx, group, reader, s) })
	}
	return unlessEnded(ctx, group.Wait())
}

// unlessEnded returns err, or nil if the user has ended the run.
func unlessEnded(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) || ctx.Err() != nil && err == nil {
		return nil
	}
	return err
}

// supervise is the demo's supervisor. It connects again as supervisors do.
func (r *Run) supervise(ctx context.Context, addr string) error {
	config, err := r.externalTLS()
	if err != nil {
		return err
	}
	return r.again(ctx, "the demo's supervisor", func() error {
		c, err := supervisor.Dial(ctx, addr, config, r.Directory.Token(Supervisor), "demo")
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it returns none
		return publish(ctx, pace, func(n int) error {
			return c.Publish(subjects()[n%len(subjects())], payload("demo"))
		})
	})
}

// again runs a client until ctx ends, and again after a failure. It notes a failure that
// differs from the one before.
func (r *Run) again(ctx context.Context, who string, run func() error) error {
	noted := ""
	for {
		err := run()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was ended
		}
		if text := fmt.Sprint(err); text != noted {
			r.Note(r.log, fmt.Sprintf("%s tries again every %s: %s", who, supervisor.Retry, text))
			noted = text
		}
		select {
		case <-time.After(supervisor.Retry):
		case <-ctx.Done():
			return nil
		}
	}
}

// publish calls send with a number until it fails or ctx ends.
func publish(ctx context.Context, every time.Duration, send func(n int) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		if err := send(n); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// subjects are those of the events of a supervisor, in the order in which the demo sends them.
func subjects() []string {
	const p = "habitat.event."
	return []string{p + "service_started", p + "healthcheck", p + "service_update_started", p + "service_stopped"}
}

// payload returns an event of a supervisor.
func payload(id string) []byte {
	b, _ := proto.Marshal(&event.Event{ // fails only for strings that are not UTF-8
		Metadata: &event.Metadata{SupervisorId: id, Application: "shop", Environment: "demo"},
		Service:  &event.Service{Package: "core/redis", Group: "redis.default"},
	})
	return b
}
