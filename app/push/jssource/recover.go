package jssource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

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
		if err := s.fetchMissing(min(n, maxAhead)); err != nil {
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

// fetchMissing reads at most n messages. Without the memory for them it gives back what there is:
// others may wait for that.
func (s *Source) fetchMissing(n int) error {
	s.mu.Lock()
	size := s.reserve(n)
	s.mu.Unlock()
	err := errBudget
	if size > 0 {
		_, err = s.fetch(n, size, time.Second, nil)
	}
	switch {
	case errors.Is(err, errBudget):
		s.drop()
	case errors.Is(err, errMissing):
		return nil
	}
	return err
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

// drop gives everything back that waits in the buffer, so that others have the memory, and asks
// for nothing before there is memory for all of it.
func (s *Source) drop() {
	s.mu.Lock()
	replies := make([]string, len(s.buffer))
	for i, h := range s.buffer {
		replies[i] = h.reply
		s.need = min(s.need+h.size, ownBytes)
		s.forget(h)
	}
	s.buffer, s.last = nil, 0
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, asking)
	defer cancel()
	_ = s.answer(ctx, replies, "-NAK") // else they come again after AckWait
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
