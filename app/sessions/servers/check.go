package servers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/session"
	"usher/issuer/operator"
)

const (
	recheckAfter = 200 * time.Millisecond
	// manyAccounts is how many accounts a server may have before its numbers are compared
	// less often: an answer has 400 bytes for each.
	manyAccounts = 1000
)

// compare asks for the numbers of connections, and adopts what nobody claims.
func (s *Servers) compare(ctx context.Context) {
	tick := time.NewTicker(min(s.cfg.CheckEvery, recheckAfter) / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.woken:
		case <-tick.C:
		}
		s.removeLate()
		s.askCounts()
		s.removeSilent()
		s.adoptUnclaimed()
	}
}

// askCounts asks every server for its numbers, if that is due.
func (s *Servers) askCounts() {
	now := s.cfg.Now()
	s.mu.Lock()
	every := s.cfg.CheckEvery
	for _, k := range s.servers {
		every = max(every, s.cfg.CheckEvery*time.Duration(len(k.counts))/manyAccounts)
	}
	again := !s.recheck.IsZero() && !now.Before(s.recheck)
	due := !s.connected.IsZero() && (again || now.Sub(s.asked) >= every)
	if due {
		s.asked, s.recheck = now, time.Time{}
	}
	s.mu.Unlock()
	if due {
		_ = s.nc.PublishRequest(operator.SubjectAccountCounts, s.inbox+".check", nil) // without a connection the next one asks again
	}
}

// checked compares what a server has with what is known of it. The same account has to differ
// twice: a server counts a connection a moment before it says that it is there.
func (s *Servers) checked(m *nats.Msg) {
	var a answer[accountCounts]
	if json.Unmarshal(m.Data, &a) != nil || a.Server.ID == "" {
		return
	}
	s.unpark(a.Server.ID)
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.server(a.Server.ID)
	k.info, k.answered, s.heard = a.Server, now, now
	if k.checks++; k.checks == 1 {
		k.scan.due(s.soon(now)) // a server that was not known
		return
	}
	differs := map[uint32]bool{}
	counted := map[uint32]bool{}
	note := func(account uint32, has int) {
		switch known := k.counts[account]; {
		case has < known:
			differs[account] = false
		case has > known && s.accounts.names[account] != globalAccount: // there are connections that wait for usher
			differs[account] = true
		}
	}
	for _, c := range a.Data.Accounts {
		n := s.accounts.number(c.Account)
		counted[n] = true
		note(n, c.Total)
	}
	for n, known := range k.counts {
		if known == 0 {
			delete(k.counts, n)
		} else if !counted[n] {
			note(n, 0)
		}
	}
	again := k.waitsLong(now)
	for n, fewer := range differs {
		before, ok := k.differs[n]
		again = again || ok && before == fewer
	}
	k.differs = differs
	switch {
	case again:
		s.counters.differences.Add(1)
		k.scan.differs(now)
	case len(differs) > 0:
		s.recheck = now.Add(recheckAfter)
	}
}

// confirmWithin is how long it takes at most until a server says that a granted connection is
// there: usher hears of it after it has answered.
const confirmWithin = 2 * time.Second

// waitsLong reports whether a session has not been confirmed for long: its connection has
// ended before it was authorized, or the event was lost.
func (k *known) waitsLong(now time.Time) bool {
	for _, since := range k.unconfirmed {
		if now.Sub(since) > confirmWithin {
			return true
		}
	}
	return false
}

// adoptUnclaimed adopts the connections that no usher has claimed in time.
func (s *Servers) adoptUnclaimed() {
	now := s.cfg.Now()
	var due []*session.Session
	s.mu.Lock()
	for _, k := range s.servers {
		for _, u := range k.unclaimed {
			if now.Sub(u.since) >= s.cfg.AdoptAfter && !s.private[u.Account] {
				due = append(due, s.adopt(k.info, u.client))
			}
		}
	}
	s.mu.Unlock()
	for _, x := range due {
		s.counters.adopted.Add(1)
		s.registry.Add(x)
	}
}
