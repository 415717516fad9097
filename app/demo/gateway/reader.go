package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"usher/app/demo/gateway/event"
	"usher/app/setup"
)

// The ways in which an event reaches the applications service.
const (
	OverCore    = "core"    // core NATS
	OverDurable = "durable" // a durable subscription
)

// Event is one that the applications service got.
type Event struct {
	Time       time.Time `json:"time"`
	Subject    string    `json:"subject"`              // over a durable subscription the channel
	Supervisor string    `json:"supervisor,omitempty"` // that the event names; empty: it is not an event of a supervisor
	Over       string    `json:"over"`
	Bytes      int       `json:"bytes"`
}

// maxName is the most that is shown of a name in an event.
const maxName = 64

// connectReader connects the applications service to the internal server.
func (r *Run) connectReader(addr string) (*nats.Conn, error) {
	config, err := r.internalTLS(setup.ServiceApplications)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect("nats://"+addr, nats.Secure(config), nats.Name(setup.ServiceApplications), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			r.Note(r.log, setup.ServiceApplications+": "+err.Error())
		}))
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", setup.ServiceApplications, err)
	}
	return nc, nil
}

// readCore shows the events that supervisors publish with core NATS.
func (r *Run) readCore(nc *nats.Conn) error {
	_, err := nc.QueueSubscribe("habitat.event.>", "automate", func(m *nats.Msg) { r.got(m.Subject, OverCore, m.Data) })
	if err == nil {
		err = nc.FlushTimeout(readyWithin)
	}
	if err != nil {
		return fmt.Errorf("%s: subscribe: %w", setup.ServiceApplications, err)
	}
	return nil
}

// readDurable shows what the durable consumer of the bridge's stream has, until ctx ends.
func (r *Run) readDurable(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.NewWithDomain(nc, setup.StoreDomain)
	if err != nil {
		return err
	}
	var consumer jetstream.Consumer
	for wait, cancel := context.WithTimeout(ctx, readyWithin); ; {
		defer cancel()
		if consumer, err = js.Consumer(wait, setup.StreamHabitat, setup.Durable); err == nil {
			break
		}
		select {
		case <-time.After(pollEvery): // the bridge makes it
		case <-wait.Done():
			return fmt.Errorf("durable %s: %w", setup.Durable, err)
		}
	}
	reading, err := consumer.Consume(func(m jetstream.Msg) {
		r.got(setup.Durable, OverDurable, m.Data())
		_ = m.Ack() // it comes again otherwise
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		if !errors.Is(err, jetstream.ErrNoHeartbeat) {
			r.Note(r.log, "durable "+setup.Durable+": "+err.Error())
		}
	}))
	if err != nil {
		return fmt.Errorf("durable %s: %w", setup.Durable, err)
	}
	<-ctx.Done()
	reading.Stop()
	<-reading.Closed()
	return nil
}

// got shows an event.
func (r *Run) got(subject, over string, data []byte) {
	e := Event{Time: time.Now(), Subject: subject, Over: over, Bytes: len(data)}
	var sent event.Event
	if proto.Unmarshal(data, &sent) == nil {
		e.Supervisor = printable(sent.GetMetadata().GetSupervisorId())
	}
	r.printing.Lock()
	defer r.printing.Unlock()
	_ = r.Event(e) // standard output itself fails
}

// printable leaves out what would move the cursor of a terminal.
func printable(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsGraphic(c) {
			return c
		}
		return -1
	}, name)
	return strings.ToValidUTF8(name[:min(len(name), maxName)], "")
}
