package jssource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/push"
)

// pump reads messages into the buffer until Close.
func (s *Source) pump() {
	wait := retryFirst
	for s.ctx.Err() == nil {
		progress, err := s.read()
		if s.ctx.Err() != nil {
			return
		}
		if progress {
			wait = retryFirst
		}
		s.mu.Lock()
		s.reading = false
		if !errors.Is(err, errMissing) && !errors.Is(err, jetstream.ErrNoHeartbeat) {
			s.err = err
		}
		s.mu.Unlock()
		wake(s.more)
		if errors.Is(err, errMissing) {
			continue
		}
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
		}
		wait = min(2*wait, retryMax)
	}
}

// errMissing: messages were lost on their way.
var errMissing = errors.New("messages are missing")

// read reads until an error.
func (s *Source) read() (progress bool, err error) {
	js, consumer, err := s.find()
	if err != nil {
		return false, err
	}
	// A server that has started again knows nothing of requests that wait.
	reconnected := js.Conn().StatusChanged(nats.CONNECTED)
	defer js.Conn().RemoveStatusListener(reconnected)
	if err := s.recover(consumer); err != nil {
		return false, err
	}
	for {
		n, err := s.wanted()
		if err != nil {
			return progress, err
		}
		got, err := s.fetch(consumer, n, idlePull, reconnected)
		s.got(n, got)
		progress = progress || got > 0
		if err != nil {
			return progress, err
		}
	}
}

func (s *Source) find() (jetstream.JetStream, jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(s.ctx, asking)
	defer cancel()
	js, err := s.cfg.JetStream(ctx)
	if err != nil {
		return nil, nil, err
	}
	consumer, err := js.Consumer(ctx, s.cfg.Stream, s.cfg.Consumer)
	if err != nil {
		return nil, nil, fmt.Errorf("find the consumer: %w", err)
	}
	return js, consumer, nil
}

// wanted waits until there is room, and returns for how many messages.
func (s *Source) wanted() (int, error) {
	for {
		s.mu.Lock()
		target := max(s.ahead, s.batch)
		room := min(target-len(s.buffer), s.fits())
		enough := 2*len(s.buffer) >= target && len(s.buffer) > 0
		s.mu.Unlock()
		if room > 0 && !enough {
			return room, nil
		}
		select {
		case <-s.room:
		case <-time.After(budgetAgain): // other Sources may hold less now
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
}

// fetch requests n messages and waits until they are there, time is up, or the connection was
// made again.
func (s *Source) fetch(consumer jetstream.Consumer, n int, limit time.Duration, reconnected <-chan nats.Status) (got int, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	again := make(chan struct{})
	if reconnected != nil {
		go func() {
			select {
			case <-reconnected:
				close(again)
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	opts := []jetstream.FetchOpt{jetstream.FetchContext(ctx)}
	if limit > 2*heartbeat {
		opts = append(opts, jetstream.FetchHeartbeat(heartbeat))
	}
	batch, err := consumer.Fetch(n, opts...)
	if err != nil {
		return 0, fmt.Errorf("request messages: %w", err)
	}
	missing := false
	for msg := range batch.Messages() {
		got++
		if !s.take(msg) && !missing {
			missing = true
			cancel() // what the servers send nevertheless is taken
		}
	}
	if missing {
		return got, errMissing
	}
	select {
	case <-again:
		return got, errMissing // what was on its way may be
	default:
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
		return got, fmt.Errorf("read messages: %w", err)
	}
	return got, nil
}

// take puts a message into the buffer. It returns false if others are missing before it.
func (s *Source) take(msg jetstream.Msg) bool {
	meta, err := msg.Metadata()
	if err != nil {
		return true // it is not from a consumer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	complete := s.last == 0 || meta.Sequence.Consumer == s.last+1
	s.last = meta.Sequence.Consumer
	if !complete && s.cfg.Ordered {
		s.missing = true
	}
	h := s.held[meta.Sequence.Stream]
	switch {
	case h == nil:
		h = &held{sequence: meta.Sequence.Stream, reply: msg.Reply(), msg: msg}
		h.message = push.Message{
			ID: strconv.FormatUint(meta.Sequence.Stream, 10), Data: msg.Data(), Attributes: attributesOf(msg.Headers()),
			Published: meta.Timestamp, Deliveries: meta.NumDelivered, Handle: h,
		}
		s.held[h.sequence] = h
		s.paid(h)
		s.buffer = append(s.buffer, h)
		s.extendBuffered()
		wake(s.more)
	case h.taken: // the acknowledgement was lost
		h.reply = msg.Reply()
		if msg.Ack() == nil && s.taken > maxTaken {
			s.forget(h)
		}
	default: // it was not extended in time
		h.reply = msg.Reply()
	}
	return complete || !s.cfg.Ordered
}

// recover has everything delivered again that was delivered and that this Source does not
// have: to a process that died, or that was lost on its way. If messages are to come in order,
// it waits for them.
func (s *Source) recover(consumer jetstream.Consumer) error {
	deadline := time.Now().Add(s.cfg.AckWait + asking) //nolint:forbidigo // real time passes on the servers
	for asked := false; ; asked = true {
		ctx, cancel := context.WithTimeout(s.ctx, asking)
		info, err := consumer.Info(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("ask for the consumer: %w", err)
		}
		others := s.others(info)
		late := time.Now().After(deadline) //nolint:forbidigo // real time passes on the servers
		if len(others) == 0 || info.NumAckPending == 0 || late {
			break
		}
		if !asked {
			if err := s.askAgain(info, others); err != nil {
				return err
			}
		}
		if !s.cfg.Ordered {
			break
		}
		s.mu.Lock()
		s.missing = true
		ours := len(s.held)
		s.last = 0
		s.mu.Unlock()
		n := info.NumAckPending - ours
		if n <= 0 {
			break
		}
		if _, err := s.fetch(consumer, min(n, maxAhead), time.Second, nil); err != nil && !errors.Is(err, errMissing) {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = 0
	s.missing = false
	s.reading = true
	slices.SortFunc(s.buffer, func(a, b *held) int { return cmp.Compare(a.sequence, b.sequence) })
	wake(s.more)
	return nil
}

// maxOthers bounds the sequences that others looks at.
const maxOthers = 100_000

// others returns the sequences that were delivered and may not be acknowledged, and that this
// Source does not have.
func (s *Source) others(info *jetstream.ConsumerInfo) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var others []uint64
	for n := info.AckFloor.Stream + 1; n <= info.Delivered.Stream && len(others) < maxOthers; n++ {
		if s.held[n] == nil {
			others = append(others, n)
		}
	}
	return others
}

// askAgain tells the servers that messages were not processed. They look only at the sequence
// in the stream, and ignore those that are not out; a server that did not would deliver them
// after AckWait.
func (s *Source) askAgain(info *jetstream.ConsumerInfo, sequences []uint64) error {
	ctx, cancel := context.WithTimeout(s.ctx, asking)
	defer cancel()
	replies := make([]string, len(sequences))
	for i, n := range sequences {
		replies[i] = fmt.Sprintf("$JS.ACK.%s.%s.1.%d.%d.%d.0", info.Stream, info.Name, n, info.Delivered.Consumer, info.Created.UnixNano())
	}
	return s.answer(ctx, replies, "-NAK")
}

// extendBuffered extends what waits in the buffer, well before its deadline. The caller holds
// the lock.
func (s *Source) extendBuffered() {
	const timesPerDeadline = 3
	if s.extender != nil {
		return
	}
	every := s.cfg.AckWait / timesPerDeadline
	s.extender = time.AfterFunc(every, func() {
		s.mu.Lock()
		replies := make([]string, 0, len(s.buffer))
		for _, h := range s.buffer {
			replies = append(replies, h.reply)
		}
		s.extender = nil
		if len(replies) > 0 && s.ctx.Err() == nil {
			s.extendBuffered()
		}
		s.mu.Unlock()
		if len(replies) > 0 {
			ctx, cancel := context.WithTimeout(s.ctx, every)
			defer cancel()
			_ = s.answer(ctx, replies, "+WPI") // else they come again, and are known
		}
	})
}
