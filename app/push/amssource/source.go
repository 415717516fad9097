package amssource

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"usher/app/push"
)

// How long a source waits after a pull without messages: the time is doubled each time.
const (
	firstPoll = 300 * time.Millisecond
	lastPoll  = 3 * time.Second
)

// ackAgain is how long Next waits for the acknowledgement of what is out, before it looks
// whether there is one that has failed.
const ackAgain = time.Second

// ErrOrder: a message was to be acknowledged before another one that came earlier. AMS would
// take that for the acknowledgement of both.
var ErrOrder = errors.New("messages of a messaging service are acknowledged in order")

// ErrNoDeadLetters: the API has no place for dead letters.
var ErrNoDeadLetters = errors.New("a messaging service has no place for dead letters")

// source implements push.Source for one subscription. It gives out one batch at a time: a
// second pull of the same subscription of AMS has the same messages as long as the first
// ones are not acknowledged.
type source struct {
	client *Client
	path   string
	gone   func() // the service does not have the subscription any more

	free   chan struct{} // holds an element if no batch is out
	failed bool          // of Next: the last one has returned an error

	acks  sync.Mutex // held during an acknowledgement
	mu    sync.Mutex
	out   []*delivery
	ahead []*delivery // received, and not given out yet
}

// delivery is the Handle of a message. A later pull of the same message has another ack id.
type delivery struct {
	push.Message

	ackID   string
	taken   bool // by its endpoint
	settled bool // acknowledged, or given up
}

// Source returns the messages of a subscription. gone is called if the service says that it
// does not have the subscription; it may be nil.
func (c *Client) Source(n Name, gone func()) push.Source {
	if gone == nil {
		gone = func() {}
	}
	s := &source{client: c, path: "/v1" + n.String(), gone: gone, free: make(chan struct{}, 1)}
	s.free <- struct{}{}
	return s
}

// Next implements push.Source. It waits until the batch before is acknowledged or returned.
// What could not be acknowledged, and is not tried any more, it acknowledges itself.
func (s *source) Next(ctx context.Context, limit int) ([]push.Message, error) {
	for {
		timer := time.NewTimer(ackAgain)
		select {
		case <-s.free:
			timer.Stop()
			messages, err := s.next(ctx, limit)
			if s.failed = err != nil; len(messages) == 0 {
				s.free <- struct{}{}
			}
			return messages, err
		case <-timer.C:
			if err := s.acknowledgeTaken(ctx); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

func (s *source) next(ctx context.Context, limit int) ([]push.Message, error) {
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		if messages := s.take(limit); len(messages) > 0 {
			return messages, nil
		}
		received, err := s.pull(ctx, limit)
		switch {
		case err != nil:
			return nil, err
		case len(received) > 0:
			s.mu.Lock()
			s.ahead = append(s.ahead, received...)
			s.mu.Unlock()
			continue
		}
		if s.failed {
			return nil, nil
		}
		if err := wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// take gives out messages that were received.
func (s *source) take(limit int) []push.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(limit, len(s.ahead))
	messages := make([]push.Message, 0, n)
	for _, d := range s.ahead[:n] {
		m := d.Message
		m.Handle = d
		messages = append(messages, m)
	}
	s.out, s.ahead = append(s.out, s.ahead[:n]...), s.ahead[n:]
	return messages
}

// Acknowledge implements push.Source. If the endpoint took longer than the service waits for
// acknowledgements, it pulls the same messages again, and acknowledges them by their new ids.
func (s *source) Acknowledge(ctx context.Context, messages []push.Message) error {
	s.acks.Lock()
	defer s.acks.Unlock()
	batch, err := s.toAcknowledge(messages)
	if err != nil || len(batch) == 0 {
		return err
	}
	if err := s.acknowledge(ctx, batch); err != nil {
		return err
	}
	s.settle(batch)
	return nil
}

// toAcknowledge notes that endpoints have taken messages, and returns those that are still to be
// acknowledged: the oldest of those that are out.
func (s *source) toAcknowledge(messages []push.Message) ([]*delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch []*delivery
	for i := range messages {
		d, ok := messages[i].Handle.(*delivery)
		switch {
		case ok && d.settled:
			continue
		case !ok || len(batch) == len(s.out) || s.out[len(batch)] != d:
			return nil, ErrOrder
		}
		batch = append(batch, d)
	}
	for _, d := range batch {
		d.taken = true
	}
	return batch, nil
}

// acknowledgeTaken acknowledges the oldest messages that are out if endpoints have taken them.
// If the service does not have them any more, they are given up: it delivers them again.
func (s *source) acknowledgeTaken(ctx context.Context) error {
	s.acks.Lock()
	defer s.acks.Unlock()
	s.mu.Lock()
	n := 0
	for n < len(s.out) && s.out[n].taken {
		n++
	}
	batch := s.out[:n:n]
	s.mu.Unlock()
	if n == 0 {
		return nil
	}
	if err := s.acknowledge(ctx, batch); err != nil && !errors.Is(err, ErrAckTimeout) {
		return err
	}
	s.settle(batch)
	return nil
}

// acknowledge acknowledges the oldest messages that are out.
func (s *source) acknowledge(ctx context.Context, batch []*delivery) error {
	err := s.sendAcks(ctx, batch)
	if errors.Is(err, ErrAckTimeout) {
		if err = s.renew(ctx, batch); err == nil {
			err = s.sendAcks(ctx, batch)
		}
	}
	return err
}

func (s *source) sendAcks(ctx context.Context, batch []*delivery) error {
	body := struct {
		AckIDs []string `json:"ackIds"`
	}{AckIDs: make([]string, 0, len(batch))}
	for _, d := range batch {
		body.AckIDs = append(body.AckIDs, d.ackID)
	}
	return s.call(ctx, ":acknowledge", body, nil)
}

// settle forgets the oldest messages that are out.
func (s *source) settle(batch []*delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range batch {
		d.settled = true
	}
	if s.out = s.out[len(batch):]; len(s.out) == 0 {
		s.free <- struct{}{}
	}
}

// renew pulls messages again that are out. AMS has the same ones again at once; usher has
// them once their ack deadline is over, and may have others before them.
func (s *source) renew(ctx context.Context, batch []*delivery) error {
	const pulls = 3
	old := map[string]*delivery{}
	for _, d := range batch {
		old[d.ID] = d
	}
	for range pulls {
		received, err := s.pull(ctx, len(batch))
		if err != nil {
			return err
		}
		for _, d := range received {
			if was := old[d.ID]; was != nil {
				was.ackID = d.ackID
				delete(old, d.ID)
				continue
			}
			s.mu.Lock()
			s.ahead = append(s.ahead, d)
			s.mu.Unlock()
		}
		if len(old) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: the service does not have the messages again", ErrAckTimeout)
}

// Extend implements push.Source. It has nothing to do: the service cannot be asked for more
// time, and Acknowledge does what is to be done when the time is over.
func (s *source) Extend(context.Context, []push.Message) error { return nil }

// Return implements push.Source. The messages that are out are given out again by the next
// call of Next, in their order; if the source is closed, by the service after its ack
// deadline.
func (s *source) Return(context.Context, []push.Message) error {
	s.acks.Lock()
	defer s.acks.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.out) && s.out[n].taken {
		n++ // Next acknowledges them
	}
	if n == len(s.out) {
		return nil
	}
	s.ahead, s.out = append(slices.Clone(s.out[n:]), s.ahead...), s.out[:n:n]
	if n == 0 {
		s.free <- struct{}{}
	}
	return nil
}

// Bury implements push.Source.
func (s *source) Bury(context.Context, push.Message) error { return ErrNoDeadLetters }

// Close implements push.Source.
func (s *source) Close() {}

// pull asks for messages, without waiting for any: AMS would wait for 300 s, also for a
// client that is gone.
func (s *source) pull(ctx context.Context, limit int) ([]*delivery, error) {
	body := struct {
		MaxMessages       string `json:"maxMessages"`
		ReturnImmediately string `json:"returnImmediately"`
	}{MaxMessages: strconv.Itoa(limit), ReturnImmediately: "true"}
	var answer struct {
		Received []struct {
			AckID   string `json:"ackId"`
			Message struct {
				ID         string            `json:"messageId"`
				Attributes map[string]string `json:"attributes"`
				Data       string            `json:"data"`
				Published  string            `json:"publishTime"`
			} `json:"message"`
		} `json:"receivedMessages"`
	}
	if err := s.call(ctx, ":pull", body, &answer); err != nil {
		return nil, err
	}
	var out []*delivery
	for _, r := range answer.Received {
		if r.AckID == "" || r.Message.ID == "" {
			return nil, fmt.Errorf("%w: a message without id", ErrAnswer)
		}
		data, err := base64.StdEncoding.DecodeString(r.Message.Data)
		if err != nil { // AMS does not check what publishers send
			data = []byte(r.Message.Data)
		}
		published, _ := time.Parse(time.RFC3339Nano, r.Message.Published) // zero: the service does not say
		d := &delivery{ackID: r.AckID, Message: push.Message{
			ID: r.Message.ID, Data: data, Attributes: r.Message.Attributes, Published: published, Deliveries: 1,
		}}
		if !s.renewAhead(d) {
			out = append(out, d)
		}
	}
	return out, nil
}

// renewAhead reports whether the message waits to be given out; it then has the new ack id.
func (s *source) renewAhead(d *delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.ahead {
		if a.ID == d.ID {
			a.ackID = d.ackID
			return true
		}
	}
	return false
}

func (s *source) call(ctx context.Context, action string, in, out any) error {
	err := s.client.call(ctx, http.MethodPost, s.path+action, in, out)
	if errors.Is(err, ErrGone) {
		s.gone()
	}
	return err
}
