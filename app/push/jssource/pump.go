package jssource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/app/messages/store"
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
		if errors.Is(err, errMissing) {
			wake(s.more)
			continue
		}
		if !errors.Is(err, errBudget) {
			s.mu.Lock()
			s.reading, s.err = false, err
			s.mu.Unlock()
			wake(s.more)
		}
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
		}
		wait = min(2*wait, retryMax)
	}
}

var (
	// errMissing: messages were lost on their way.
	errMissing = errors.New("messages are missing")
	// errBudget: a message is there, and no memory for it.
	errBudget = errors.New("others take all memory that there is for messages")
)

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
	for idle := false; ; {
		n, size, err := s.wanted(idle)
		if err != nil {
			return progress, err
		}
		wait := time.Duration(0)
		if idle {
			wait = idlePull
		}
		got, err := s.fetch(n, size, wait, reconnected)
		idle = got == 0 && err == nil
		progress = progress || got > 0
		switch {
		case errors.Is(err, errBudget) && !s.cfg.Ordered: // what went back comes again
		case errors.Is(err, errBudget):
			return progress, errMissing
		case err != nil:
			return progress, err
		}
	}
}

// find returns JetStream of the account and the consumer.
func (s *Source) find() (jetstream.JetStream, jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(s.ctx, asking)
	defer cancel()
	js, err := s.cfg.JetStream(ctx)
	if err != nil {
		return nil, nil, err
	}
	consumer, err := js.Consumer(ctx, s.stream(), s.consumer())
	if err != nil {
		return nil, nil, fmt.Errorf("find the consumer: %w", err)
	}
	return js, consumer, nil
}

// wanted waits until there is room, and returns how many messages to ask for, and for how many
// bytes, which are paid for. Where nothing was there before, it is one message, for which nothing
// is paid as long as it does not come.
func (s *Source) wanted(idle bool) (n, size int, err error) {
	for {
		s.mu.Lock()
		target := max(s.ahead, s.batch)
		room := target - len(s.buffer)
		enough := 2*len(s.buffer) >= target && len(s.buffer) > 0
		if room > 0 && !enough {
			if idle {
				n, size = 1, waitingPull
			} else {
				n, size = room, s.reserve(room)
			}
		}
		s.mu.Unlock()
		if size > 0 {
			return n, size, nil
		}
		select {
		case <-s.room:
		case <-time.After(budgetAgain): // other Sources may hold less now
		case <-s.ctx.Done():
			return 0, 0, s.ctx.Err()
		}
	}
}

// fetch requests at most n messages of at most size bytes, and waits until they are there, time is
// up, or the connection was made again.
func (s *Source) fetch(n, size int, wait time.Duration, reconnected <-chan nats.Status) (got int, err error) {
	defer s.settle()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	again := make(chan struct{})
	if reconnected != nil && wait > 0 {
		go func() {
			select {
			case <-reconnected:
				close(again)
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	received, err := s.cfg.Store.Pull(ctx, s.cfg.Subscription, n, size, wait)
	select {
	case <-again:
		return 0, errMissing // what was on its way may be
	default:
	}
	switch {
	case errors.Is(err, messages.ErrBusy): // others have many messages of the account on their way
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("request messages: %w", err)
	}
	return s.takeAll(ctx, received)
}

// takeAll puts messages into the buffer. Those that there is no memory for go back.
func (s *Source) takeAll(ctx context.Context, received []messages.Received) (got int, err error) {
	s.mu.Lock()
	missing, paid := false, true
	var lost []*held // that were taken, and whose acknowledgement was lost
	for ; got < len(received); got++ {
		h := s.held[received[got].Delivery.Stream]
		if h == nil {
			if h, paid = s.take(&received[got]); !paid {
				break
			}
		} else if h.taken {
			lost = append(lost, h)
		} // else it was not extended in time
		h.reply = store.AckSubject(s.cfg.Subscription, received[got].Delivery)
		missing = !s.follows(received[got].Delivery.Consumer) || missing
	}
	if paid && got > 0 {
		s.need = 0
	}
	s.mu.Unlock()
	if err := s.acknowledgeAgain(ctx, lost); err != nil {
		return got, err
	}
	if back := received[got:]; len(back) > 0 {
		replies := make([]string, len(back))
		for i := range back {
			replies[i] = store.AckSubject(s.cfg.Subscription, back[i].Delivery)
		}
		if err := s.answer(ctx, replies, "-NAK"); err != nil {
			return got, err
		}
		return got, errBudget
	}
	if missing {
		return got, errMissing
	}
	return got, nil
}

// take puts a message into the buffer, unless there is no memory for it. The caller holds the
// lock.
func (s *Source) take(r *messages.Received) (h *held, paid bool) {
	h = newHeld(r)
	if !s.pay(h) {
		return nil, false
	}
	s.held[h.sequence] = h
	s.buffer = append(s.buffer, h)
	s.extendBuffered()
	wake(s.more)
	return h, true
}

// follows notes a delivery, and reports whether none is missing before it. The caller holds the
// lock.
func (s *Source) follows(delivery uint64) bool {
	complete := s.last == 0 || delivery == s.last+1 || !s.cfg.Ordered
	s.last = delivery
	s.missing = s.missing || !complete
	return complete
}

// acknowledgeAgain acknowledges what was taken before. Where too much is not confirmed, it is
// forgotten.
func (s *Source) acknowledgeAgain(ctx context.Context, lost []*held) error {
	if len(lost) == 0 {
		return nil
	}
	s.mu.Lock()
	replies := make([]string, len(lost))
	for i, h := range lost {
		replies[i] = h.reply
	}
	s.mu.Unlock()
	if err := s.answer(ctx, replies, "+ACK"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range lost {
		if h.taken && s.taken > maxTaken {
			s.forget(h)
		}
	}
	return nil
}
