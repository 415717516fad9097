package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/stan.go"
)

// result is the line of JSON that the client prints.
type result struct {
	OK               bool     `json:"ok"`
	Error            string   `json:"error,omitempty"`
	PermissionErrors []string `json:"permission_errors,omitempty"`
}

// task is the operation of the client.
type task struct {
	connection
	cluster, clientID, tokenFile string
	op, channel                  string
	timeout, hold                time.Duration

	// of publish-many and read
	count           int
	prefix, durable string
	interval, retry time.Duration
}

// runClient performs one operation and prints its result. A denied operation is a result;
// runClient returns an error only if it cannot print one.
func runClient(args []string) error {
	var t task
	fs := flag.NewFlagSet("client", flag.ContinueOnError)
	t.flags(fs)
	fs.StringVar(&t.cluster, "cluster", "event-service", "streaming cluster id")
	fs.StringVar(&t.clientID, "client-id", "usher-test", "streaming client id")
	fs.StringVar(&t.tokenFile, "token-file", "", "file with the token; default: the credentials in the URL")
	fs.StringVar(&t.op, "op", "publish", "publish, publish-async, subscribe, publish-many or read")
	fs.StringVar(&t.channel, "channel", "", "streaming channel")
	fs.DurationVar(&t.timeout, "timeout", 2*time.Second, "how long each step may take")
	fs.DurationVar(&t.hold, "hold", 0, "how long to stay connected after the operation, to observe pings and heartbeats")
	fs.IntVar(&t.count, "count", 0, "publish-many: how many messages, with the numbers from 1")
	fs.StringVar(&t.prefix, "prefix", "", "publish-many: what stands before each number")
	fs.DurationVar(&t.interval, "interval", 0, "publish-many: pause after each message")
	fs.StringVar(&t.durable, "durable", "", "read: name of the durable subscription")
	fs.DurationVar(&t.retry, "retry", 250*time.Millisecond, "publish-many, read: pause before each attempt to connect again")
	if err := parse(fs, args); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if t.op == "publish-many" || t.op == "read" {
		return t.runSession()
	}
	var seen violations
	res := result{OK: true}
	if err := t.run(&seen); err != nil {
		res = result{Error: err.Error()}
	}
	res.PermissionErrors = seen.list()
	return printLine(res)
}

func (t *task) check() error {
	if err := t.connection.check("client"); err != nil {
		return err
	}
	switch {
	case t.channel == "":
		return fmt.Errorf("%w: client: --channel is required", errUsage)
	case t.op == "publish-many" && t.count < 1:
		return fmt.Errorf("%w: client: --op publish-many needs --count", errUsage)
	case t.op == "read" && t.durable == "":
		return fmt.Errorf("%w: client: --op read needs --durable", errUsage)
	}
	switch t.op {
	case "publish", "publish-async", "subscribe", "publish-many", "read":
		return nil
	}
	return fmt.Errorf("%w: client: unknown operation %q", errUsage, t.op)
}

// options returns the options of the connection: TLS, and the token.
func (t *task) options() ([]nats.Option, error) {
	opts, err := t.connection.options()
	if err != nil {
		return nil, err
	}
	token, err := tokenOption(t.tokenFile)
	return append(opts, token...), err
}

// runSession performs an operation that goes on through failures, and prints a summary.
func (t *task) runSession() error {
	ctx, stop := untilStopped()
	defer stop()
	var seen violations
	var sum summary
	s := &session{task: *t}
	err := s.start(&seen)
	if err == nil {
		defer s.stop()
		if t.op == "read" {
			err = s.read(ctx, &sum)
		} else {
			err = s.publishMany(ctx, &sum)
		}
	}
	sum.OK = err == nil || errors.Is(err, context.Canceled) // stopped
	if !sum.OK {
		sum.Error = err.Error()
	}
	sum.PermissionErrors = seen.list()
	sum.Reconnects, sum.Denials, sum.Opened = s.counts.reconnects.Load(), s.counts.denials.Load(), s.counts.opened.Load()
	return printLine(sum)
}

func (t *task) run(seen *violations) (err error) {
	lost := make(chan error, 1)
	opts := []nats.Option{
		nats.Name(t.clientID),
		nats.Timeout(t.timeout),
		nats.NoReconnect(),
		nats.ErrorHandler(seen.handle),
	}
	more, err := t.options()
	if err != nil {
		return err
	}
	nc, err := nats.Connect(t.url, append(opts, more...)...)
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()

	sc, err := stan.Connect(t.cluster, t.clientID,
		stan.NatsConn(nc),
		stan.ConnectWait(t.timeout),
		stan.PubAckWait(t.timeout),
		// The minimum of the library: a client whose pings are denied loses its
		// connection within --hold 4s.
		stan.Pings(1, 3),
		stan.SetConnectionLostHandler(func(_ stan.Conn, err error) { lost <- err }),
	)
	if err != nil {
		return fmt.Errorf("connect to streaming cluster: %w", err)
	}
	defer func() {
		if cerr := sc.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("close streaming connection: %w", cerr)
		}
	}()

	if err := t.operate(sc); err != nil {
		return err
	}
	select {
	case err := <-lost:
		return fmt.Errorf("streaming connection lost: %w", err)
	case <-time.After(t.hold):
		return nil
	}
}

func (t *task) operate(sc stan.Conn) error {
	payload := []byte("from usher's tests")
	switch t.op {
	case "publish":
		if err := sc.Publish(t.channel, payload); err != nil {
			return fmt.Errorf("publish to %s: %w", t.channel, err)
		}
	case "publish-async":
		acked := make(chan error, 1)
		if _, err := sc.PublishAsync(t.channel, payload, func(_ string, err error) { acked <- err }); err != nil {
			return fmt.Errorf("publish to %s: %w", t.channel, err)
		}
		if err := <-acked; err != nil { // PubAckWait bounds it
			return fmt.Errorf("acknowledgement from %s: %w", t.channel, err)
		}
	case "subscribe":
		if _, err := sc.Subscribe(t.channel, func(*stan.Msg) {}); err != nil {
			return fmt.Errorf("subscribe to %s: %w", t.channel, err)
		}
	}
	return nil
}

// violations collects permission errors, in order. NATS reports them asynchronously: the
// operation itself only times out.
type violations struct {
	mu   sync.Mutex
	seen []string
}

func (v *violations) handle(_ *nats.Conn, _ *nats.Subscription, err error) {
	// This version of nats.go has no error value for permission errors, only the text of
	// the protocol after its exported prefix.
	text := strings.TrimPrefix(err.Error(), "nats: ")
	if !strings.HasPrefix(strings.ToLower(text), nats.PERMISSIONS_ERR) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = append(v.seen, text)
}

func (v *violations) list() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.seen...)
}
