package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/stan.go"
)

// session is a streaming connection that goes on: nats.go connects again by itself, and a
// streaming connection that stan.go gave up is opened again.
type session struct {
	task
	nc     *nats.Conn
	sc     stan.Conn
	lost   chan struct{} // of sc
	closed chan struct{} // nats.go has given up
	counts counts
	stops  atomic.Bool
}

// counts is what happened to a session.
type counts struct {
	reconnects, denials, opened atomic.Int64
}

// summary is the last line that a session prints.
type summary struct {
	result
	Count      int   `json:"count"`      // messages acknowledged or received
	Attempts   int   `json:"attempts"`   // publications, with repeated ones
	Reconnects int64 `json:"reconnects"` // of the NATS connection
	Denials    int64 `json:"denials"`
	Opened     int64 `json:"opened"` // streaming connections
}

var errClosed = errors.New("the NATS connection is closed for good")

// start connects to NATS. It waits for a server that is not there yet.
func (s *session) start(seen *violations) error {
	s.closed = make(chan struct{})
	opts := []nats.Option{
		nats.Name(s.clientID), nats.Timeout(s.timeout),
		nats.MaxReconnects(-1), nats.ReconnectWait(s.retry), nats.RetryOnFailedConnect(true),
		nats.ReconnectHandler(func(*nats.Conn) { s.counts.reconnects.Add(1) }),
		nats.ClosedHandler(func(*nats.Conn) {
			if !s.stops.Load() {
				close(s.closed)
			}
		}),
		nats.ErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrAuthorization) {
				s.counts.denials.Add(1)
			}
			seen.handle(nc, sub, err)
		}),
	}
	more, err := s.options()
	if err != nil {
		return err
	}
	s.nc, err = nats.Connect(s.url, append(opts, more...)...)
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	return nil
}

// open opens the streaming connection, as often as needed.
func (s *session) open(ctx context.Context) error {
	for {
		s.lost = make(chan struct{})
		lost := s.lost
		sc, err := stan.Connect(s.cluster, s.clientID, stan.NatsConn(s.nc),
			stan.ConnectWait(s.timeout), stan.PubAckWait(s.timeout), stan.Pings(1, 3),
			stan.SetConnectionLostHandler(func(stan.Conn, error) { close(lost) }))
		if err == nil {
			s.sc = sc
			s.counts.opened.Add(1)
			return nil
		}
		if err := s.wait(ctx, s.retry); err != nil {
			return err
		}
	}
}

// wait waits, or returns why there is nothing to wait for.
func (s *session) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("stopped: %w", ctx.Err())
	case <-s.closed:
		return errClosed
	case <-time.After(d):
		return nil
	}
}

func (s *session) stop() {
	s.stops.Store(true)
	if s.sc != nil {
		_ = s.sc.Close() // fails if the streaming server is down
	}
	s.nc.Close()
}

// publishMany publishes the numbers from 1 to --count, each until it is acknowledged.
func (s *session) publishMany(ctx context.Context, sum *summary) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	for n := 1; n <= s.count; n++ {
		for acked := false; !acked; {
			sum.Attempts++
			err := s.sc.Publish(s.channel, []byte(s.prefix+fmt.Sprint(n)))
			switch {
			case err == nil:
				acked = true
			case errors.Is(err, stan.ErrTimeout): // it may have arrived
			default:
				if err := s.open(ctx); err != nil {
					return err
				}
			}
			if err := s.wait(ctx, s.interval); err != nil {
				return err
			}
		}
		sum.Count++
		if err := printLine(map[string]any{"number": n}); err != nil {
			return err
		}
	}
	return nil
}

// read prints the messages of a durable subscription until it is stopped.
func (s *session) read(ctx context.Context, sum *summary) error {
	received := make(chan *stan.Msg)
	for {
		if err := s.open(ctx); err != nil {
			return err
		}
		_, err := s.sc.Subscribe(s.channel, func(m *stan.Msg) {
			select {
			case received <- m:
			case <-ctx.Done():
			}
		}, stan.DurableName(s.durable), stan.DeliverAllAvailable(), stan.AckWait(5*time.Second))
		for err == nil {
			select {
			case m := <-received:
				sum.Count++
				// A text of JSON cannot have every byte.
				if err := printLine(map[string]any{"data": string(m.Data), "base64": append([]byte{}, m.Data...), "sequence": m.Sequence, "redelivered": m.Redelivered}); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			case <-s.closed:
				return errClosed
			case <-s.lost:
				err = stan.ErrMaxPings
			}
		}
		if err := s.wait(ctx, s.retry); err != nil {
			return err
		}
	}
}

func printLine(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = fmt.Println(string(line))
	return err
}
