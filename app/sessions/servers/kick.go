package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/callout/session"
)

// batch has the connections that one KickAll has yet to close.
type batch struct {
	mu   sync.Mutex
	ids  []session.ID // as the answers count them
	open map[session.ID]struct{}
	done chan struct{} // closed when open is empty
}

// closed notes that a connection has been closed.
func (b *batch) closed(id session.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.open[id]; !ok {
		return
	}
	delete(b.open, id)
	if len(b.open) == 0 {
		close(b.done)
	}
}

func (b *batch) rest() []session.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]session.ID, 0, len(b.open))
	for id := range b.open {
		out = append(out, id)
	}
	return out
}

// Kick closes a connection. It returns once its server has said that it is closed, and tries
// again until then; ErrStillOpen: ctx or Config.KickFor has ended before. The client may
// connect again at once.
func (s *Servers) Kick(ctx context.Context, id session.ID) error {
	failed, err := s.KickAll(ctx, []session.ID{id}, 0)
	switch {
	case err != nil:
		return err
	case len(failed) > 0:
		return fmt.Errorf("close session %s: %w", id, ErrStillOpen)
	}
	return nil
}

// KickAll closes connections as Kick does, all of them together, at most rate in a second;
// rate 0: as fast as the servers can. It returns those that it could not close.
func (s *Servers) KickAll(ctx context.Context, ids []session.ID, rate int) (failed []session.ID, err error) {
	if !s.Configured() {
		return ids, ErrNotConfigured
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.KickFor)
	defer cancel()
	b, number := s.newBatch(ids)
	defer s.endBatch(number)
	s.counters.kicks.Add(uint64(len(b.ids)))
	if len(b.ids) == 0 {
		return nil, nil
	}
	numbers := make([]int, len(b.ids))
	for i := range numbers {
		numbers[i] = i
	}
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 4*time.Second) {
		if !s.publishKicks(ctx, b, number, numbers, rate) || b.wait(ctx, wait) {
			break
		}
		s.confirmClosed(ctx, b.rest())
		numbers = slices.DeleteFunc(numbers, func(i int) bool { return !b.isOpen(i) })
		if len(numbers) == 0 {
			break
		}
	}
	failed = b.rest()
	s.counters.kicksFailed.Add(uint64(len(failed)))
	return failed, nil
}

func (s *Servers) newBatch(ids []session.ID) (*batch, uint64) {
	b := &batch{open: make(map[session.ID]struct{}, len(ids)), done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if k := s.servers[id.Server]; k != nil {
			if _, ended := k.hasEnded(id.Client); ended {
				continue
			}
		}
		if _, twice := b.open[id]; !twice {
			b.open[id] = struct{}{}
			b.ids = append(b.ids, id)
		}
	}
	s.nextBatch++
	s.batches[s.nextBatch] = b
	return b, s.nextBatch
}

func (s *Servers) endBatch(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.batches, number)
}

func (b *batch) isOpen(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, open := b.open[b.ids[i]]
	return open
}

// wait waits until all are closed; false: they are not.
func (b *batch) wait(ctx context.Context, most time.Duration) bool {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-b.done:
		return true
	case <-ctx.Done():
		return true
	case <-t.C:
		return false
	}
}

// publishKicks asks the servers to close the connections, without waiting for the answers. It
// returns false if ctx has ended.
func (s *Servers) publishKicks(ctx context.Context, b *batch, number uint64, which []int, rate int) bool {
	const slice = 10 * time.Millisecond
	most := len(which)
	if rate > 0 {
		most = max(1, rate/int(time.Second/slice))
	}
	pause := slice
	if rate > 0 && rate < int(time.Second/slice) {
		pause = time.Second / time.Duration(rate)
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n, i := range which {
		if n > 0 && n%most == 0 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return false
			}
		}
		id := b.ids[i]
		body, err := json.Marshal(kickRequest{id.Client})
		if err != nil {
			continue
		}
		reply := fmt.Sprintf("%s.kick.%d.%d", s.inbox, number, i)
		_ = s.nc.PublishRequest(subjectKick(id.Server), reply, body) // without a connection the next round asks again
	}
	return ctx.Err() == nil
}

// kickAnswered handles the answer of a server. Without an error, the server has closed the
// connection. With one, it has no such connection, which confirmClosed makes sure of.
func (s *Servers) kickAnswered(m *nats.Msg) {
	var a answer[json.RawMessage]
	if json.Unmarshal(m.Data, &a) != nil || a.Error != nil || a.Server.ID == "" {
		return
	}
	tail := strings.Split(m.Subject, ".")
	number, err := strconv.ParseUint(tail[len(tail)-2], 10, 64)
	if err != nil {
		return
	}
	i, err := strconv.Atoi(tail[len(tail)-1])
	s.mu.Lock()
	b := s.batches[number]
	s.mu.Unlock()
	if err == nil && b != nil && i >= 0 && i < len(b.ids) && b.ids[i].Server == a.Server.ID {
		s.end(b.ids[i], false, sessions.Disconnected)
	}
}

// confirmClosed asks the servers which of these connections they have, and notes those that
// they do not have as ended.
func (s *Servers) confirmClosed(ctx context.Context, ids []session.ID) {
	byServer := map[string][]session.ID{}
	for _, id := range ids {
		byServer[id.Server] = append(byServer[id.Server], id)
	}
	for server, ids := range byServer {
		found, err := s.find(ctx, server, ids, false)
		if err != nil {
			continue // not to be reached now: the next round asks again
		}
		for _, id := range ids {
			if _, open := found[id]; !open {
				s.end(id, false, sessions.Missing)
			}
		}
	}
}
