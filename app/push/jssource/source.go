package jssource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/app/messages/store"
	"usher/app/push"
	"usher/internal/budget"
)

// Config says what a Source reads. All fields but DeadLetter and Budget are required.
type Config struct {
	// JetStream returns JetStream of the project's account. It is asked again after errors.
	JetStream    func(ctx context.Context) (jetstream.JetStream, error)
	Store        *store.Store // of that account too
	Subscription messages.SubscriptionRef
	AckWait      time.Duration  // of the consumer
	Ordered      bool           // messages come in the order of the stream
	DeadLetter   string         // subject for messages that are given up
	Budget       *budget.Budget // shared with other Sources; nil: its own
}

const (
	maxAhead   = 64                     // messages that are read ahead while an endpoint takes them
	idlePull   = time.Minute            // a pull request waits for so long
	asking     = 10 * time.Second       // for one question to the servers
	retryFirst = 250 * time.Millisecond // after an error
	retryMax   = 5 * time.Second
	closing    = 2 * time.Second
	maxTaken   = 4096 // messages that were taken and whose acknowledgement was not confirmed
)

// ErrClosed: the Source is closed.
var ErrClosed = errors.New("jssource: closed")

// Source reads one consumer. It implements push.Source.
type Source struct {
	cfg    Config
	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	start  sync.Once
	pumped sync.WaitGroup

	more chan struct{} // wakes Next
	room chan struct{} // wakes pump

	mu       sync.Mutex
	buffer   []*held             // not handed out
	held     map[uint64]*held    // by sequence of the stream
	taken    int                 // of held
	ahead    int                 // how many messages to read ahead
	batch    int                 // how many Next takes at once
	last     uint64              // sequence of the last delivery; 0: not known
	missing  bool                // messages are missing that come before some in buffer
	bytes    int                 // of held
	largest  int                 // size of a message, of late
	need     int                 // bytes to pay for before the next request: a message went back
	paid     *budget.Reservation // bytes, and what is asked for
	err      error               // for Next: why nothing can be read
	failed   bool                // Next has returned an error, and nothing since then
	reading  bool                // the consumer was found, and no error came after that
	extender *time.Timer
}

// held is a message that the servers wait for an acknowledgement of.
type held struct {
	sequence uint64
	reply    string
	message  push.Message
	size     int  // in memory
	taken    bool // by the endpoint; the acknowledgement is not confirmed
}

// New returns a Source that reads nothing yet.
func New(cfg Config) *Source {
	if cfg.Budget == nil {
		cfg.Budget = NewBudget()
	}
	s := &Source{
		cfg: cfg, more: make(chan struct{}, 1), room: make(chan struct{}, 1), held: map[uint64]*held{}, ahead: 1, batch: 1,
		paid: cfg.Budget.For(cfg.Subscription.Project.ID),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Next implements push.Source.
func (s *Source) Next(ctx context.Context, limit int) ([]push.Message, error) {
	s.mu.Lock()
	s.batch = max(1, limit)
	s.mu.Unlock()
	s.start.Do(func() { s.pumped.Go(s.pump) })
	for {
		messages, err := s.pop(limit)
		if err != nil || len(messages) > 0 || s.recovered() {
			return messages, err
		}
		select {
		case <-s.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, ErrClosed
		}
	}
}

func (s *Source) pop(limit int) ([]push.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buffer) == 0 || s.missing {
		err := s.err
		s.err = nil
		s.failed = s.failed || err != nil
		return nil, err
	}
	n, size := 0, 0
	for ; n < min(limit, len(s.buffer)); n++ {
		if size += s.buffer[n].size; n > 0 && size > pushBytes {
			break
		}
	}
	messages := make([]push.Message, n)
	for i, h := range s.buffer[:n] {
		messages[i] = h.message
	}
	s.buffer = slices.Delete(s.buffer, 0, n)
	wake(s.room)
	return messages, nil
}

// recovered reports, once, that messages can be read again after an error.
func (s *Source) recovered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	recovered := s.failed && s.reading
	s.failed = s.failed && !recovered
	return recovered
}

// Acknowledge implements push.Source.
func (s *Source) Acknowledge(ctx context.Context, messages []push.Message) error {
	s.mu.Lock()
	for i := range messages {
		if h := messages[i].Handle.(*held); !h.taken {
			h.taken = true
			s.taken++
		}
	}
	s.ahead = min(maxAhead, 2*s.ahead)
	s.mu.Unlock()
	if err := s.confirm(ctx, messages); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range messages {
		s.forget(messages[i].Handle.(*held))
	}
	return nil
}

// forget removes a message whose acknowledgement was confirmed.
func (s *Source) forget(h *held) {
	if s.held[h.sequence] == h {
		delete(s.held, h.sequence)
		s.refund(h)
	}
	if h.taken {
		h.taken = false
		s.taken--
	}
}

// confirm acknowledges messages and waits for the confirmation of the last one: the servers
// act on them in order. If some were lost nevertheless, they come again, and are acknowledged
// without another push.
func (s *Source) confirm(ctx context.Context, messages []push.Message) error {
	nc, err := s.conn(ctx)
	if err != nil {
		return err
	}
	replies := s.replies(messages)
	last := len(replies) - 1
	for _, reply := range replies[:last] {
		if err := nc.Publish(reply, []byte("+ACK")); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
	if _, err := nc.RequestWithContext(ctx, replies[last], []byte("+ACK")); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

// replies returns where to answer to messages: to their last delivery.
func (s *Source) replies(messages []push.Message) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	replies := make([]string, len(messages))
	for i := range messages {
		replies[i] = messages[i].Handle.(*held).reply
	}
	return replies
}

// Extend implements push.Source.
func (s *Source) Extend(ctx context.Context, messages []push.Message) error {
	return s.answer(ctx, s.replies(messages), "+WPI")
}

func (s *Source) answer(ctx context.Context, replies []string, with string) error {
	nc, err := s.conn(ctx)
	if err != nil {
		return err
	}
	for _, reply := range replies {
		if err := nc.Publish(reply, []byte(with)); err != nil {
			return fmt.Errorf("answer a message: %w", err)
		}
	}
	return nil
}

// Return implements push.Source. Whoever calls Next gets the messages again first; Close
// gives them back to the servers.
func (s *Source) Return(_ context.Context, messages []push.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := make([]*held, len(messages), len(messages)+len(s.buffer))
	for i := range messages {
		again[i] = messages[i].Handle.(*held)
	}
	s.buffer = append(again, s.buffer...)
	s.extendBuffered()
	wake(s.more)
	return nil
}

// Bury implements push.Source.
func (s *Source) Bury(ctx context.Context, message push.Message) error { //nolint:gocritic // as the interface has it
	js, err := s.cfg.JetStream(ctx)
	if err != nil {
		return err
	}
	h := message.Handle.(*held)
	letter, err := s.deadLetter(h, message.Deliveries)
	if err != nil {
		return err
	}
	if _, err := js.PublishMsg(ctx, letter, jetstream.WithMsgID(fmt.Sprintf("usher-dead-letter-%s-%d", s.consumer(), h.sequence))); err != nil {
		return fmt.Errorf("store a dead letter at %s: %w", s.cfg.DeadLetter, err)
	}
	// If this fails, the message comes again, and is acknowledged then.
	_ = s.Acknowledge(ctx, []push.Message{message})
	return nil
}

// Close implements push.Source. The servers deliver again at once what was not acknowledged.
func (s *Source) Close() {
	s.cancel()
	s.pumped.Wait()
	s.mu.Lock()
	if s.extender != nil {
		s.extender.Stop()
	}
	replies := make([]string, len(s.buffer))
	for i, h := range s.buffer {
		replies[i] = h.reply
	}
	s.buffer = nil
	s.held, s.bytes = nil, 0
	s.paid.Release()
	s.mu.Unlock()
	if len(replies) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if nc, err := s.conn(ctx); err == nil && s.answer(ctx, replies, "-NAK") == nil {
		_ = nc.FlushWithContext(ctx)
	}
}

func (s *Source) stream() string   { return s.cfg.Subscription.Project.Name }
func (s *Source) consumer() string { return s.cfg.Subscription.Subscription.Name }

func (s *Source) conn(ctx context.Context) (*nats.Conn, error) {
	js, err := s.cfg.JetStream(ctx)
	if err != nil {
		return nil, err
	}
	return js.Conn(), nil
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
