package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/nats-io/nats.go"
)

const (
	answerTimeout  = 2 * time.Second
	answerAttempts = 3
	collectAgain   = 250 * time.Millisecond // at first, and then twice as long each time
	collectAtMost  = 30 * time.Second
)

var (
	errBusy       = errors.New("the replica sends to others now")
	errIncomplete = errors.New("not all sessions have arrived")
)

// collect asks another replica for all sessions, and then answers those who look for one
// that is complete.
func (x *Exchange) collect(ctx context.Context) {
	x.loops.Go(func() {
		select {
		case <-time.After(x.cfg.Wait):
			x.setComplete()
		case <-x.completed:
		case <-ctx.Done():
		}
	})
	for {
		select {
		case <-x.connected:
		case <-ctx.Done():
			return
		}
		for wait := collectAgain; x.access.allowed(); wait = min(2*wait, collectAtMost) {
			err := x.collectOnce(ctx)
			if err == nil {
				x.answerWho()
				x.setComplete()
				return
			}
			x.warn("cannot get them yet", err)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
	}
}

// collectOnce returns nil if this replica has the sessions of the others, or if there is no
// other one that is complete.
func (x *Exchange) collectOnce(ctx context.Context) error {
	if err := x.nc.FlushTimeout(answerTimeout); err != nil { // the subscriptions come first
		return fmt.Errorf("flush: %w", err)
	}
	answer, err := x.request(ctx, subjectWho, nil, 1)
	if errors.Is(err, nats.ErrNoResponders) {
		x.covered(nil)
		for _, s := range x.loaded {
			x.outgoing.add(change{granted: s, known: true}, x.flushNow)
		}
		x.loaded = nil
		return nil
	}
	if err != nil {
		return err
	}
	m, err := decodeMessage(x.mode, answer)
	if err != nil {
		return err
	}
	seen, err := x.fetch(ctx, m.From, nil)
	if err != nil {
		return err
	}
	x.covered(seen)
	x.loaded = nil
	return nil
}

// answerWho answers those who start. A replica that is not complete does not.
func (x *Exchange) answerWho() {
	_, err := x.nc.QueueSubscribe(subjectWho, queueWho, func(m *nats.Msg) {
		if !x.access.allowed() {
			return
		}
		if _, err := x.open(m.Subject, m.Reply, m.Data); err != nil {
			return
		}
		data, err := cbor.Marshal(&message{From: x.cfg.Instance})
		if err == nil {
			data, err = x.seal(m.Reply, "", data)
		}
		if err == nil {
			_ = m.Respond(data)
		}
	})
	if err == nil {
		err = x.nc.FlushTimeout(answerTimeout) // who sees that this replica is complete can ask it
	}
	if err != nil {
		x.warn("cannot answer replicas that start", err)
	}
}

// covered notes the last change of each replica that the collected sessions have. What came
// between it and the first one that could be heard is asked for.
func (x *Exchange) covered(seen map[string]uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.collected = true
	for name, last := range seen {
		if x.peers[name] == nil && name != x.cfg.Instance && validInstance(name) && len(x.peers) < maxPeers {
			x.peers[name] = &peer{gone: true, heard: x.cfg.Now(), first: last + 1, next: last + 1}
		}
	}
	for name, p := range x.peers {
		if last := seen[name]; p.first > last+1 {
			p.miss(last+1, p.first-1)
			wake(x.repairSoon)
		}
	}
}

// repair asks for changes that were not heard.
func (x *Exchange) repair(ctx context.Context) {
	for {
		select {
		case <-x.repairSoon:
		case <-ctx.Done():
			return
		}
		for name, from := range x.missing() {
			if err := x.repairOne(ctx, name, from); err != nil && !errors.Is(err, context.Canceled) {
				x.warn("some are missing; asking again", err)
			}
		}
	}
}

// missing returns the replicas of which changes were not heard, each with the first of them.
func (x *Exchange) missing() map[string]uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.collected {
		return nil
	}
	all := map[string]uint64{}
	for name, p := range x.peers {
		if p.incomplete() {
			all[name] = p.missing
		}
	}
	return all
}

// repairOne asks a replica for its changes from one on, or, if it is gone, another one for
// all sessions.
func (x *Exchange) repairOne(ctx context.Context, name string, from uint64) error {
	x.mu.Lock()
	p := x.peers[name]
	gone := p == nil || p.gone
	x.mu.Unlock()
	if !x.access.allowed() {
		return nil
	}
	before := from - 1
	donor, after := name, &before
	if gone {
		others := x.live()
		if len(others) == 0 {
			return nil
		}
		donor, after = others[0], nil
	}
	seen, err := x.fetch(ctx, donor, after)
	if err != nil {
		return fmt.Errorf("from %s: %w", donor, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.peers[name]; p != nil {
		p.have(seen[name])
		p.replaced = gone
	}
	return nil
}

// fetch gets the changes of a replica after one, or all sessions that it knows. It returns
// the last change of each replica that is in them.
func (x *Exchange) fetch(ctx context.Context, donor string, after *uint64) (seen map[string]uint64, err error) {
	x.incoming.begin()
	defer x.incoming.end()
	r := request{From: x.cfg.Instance, Transfer: x.asked.Add(1), After: after}
	for got := 0; ; r.Page++ {
		data, err := cbor.Marshal(&r)
		if err != nil {
			return nil, fmt.Errorf("ask for sessions: %w", err)
		}
		answer, err := x.request(ctx, subjectTo+donor, data, answerAttempts)
		if err != nil {
			return nil, err
		}
		var p page
		if err := decode(x.mode, answer, &p); err != nil {
			return nil, err
		}
		if p.Busy || p.Number != r.Page {
			return nil, errBusy
		}
		if err := x.takePage(&p); err != nil {
			return nil, err
		}
		if got += p.Count; p.Last && got != p.Total {
			return nil, errIncomplete
		}
		if p.Last {
			return p.Seen, nil
		}
	}
}

func (x *Exchange) takePage(p *page) error {
	n := len(p.Messages)
	for _, data := range p.Messages {
		m, err := decodeMessage(x.mode, data)
		if err != nil {
			return err
		}
		c, err := m.decodeChanges(x.mode)
		if err != nil {
			return err
		}
		if c != nil {
			c.Known = true
			x.take(c)
		}
	}
	if len(p.Added) > 0 {
		added, err := x.add(p.Added, true)
		if err != nil {
			return err
		}
		n += added
		x.transferred.Add(uint64(added)) //nolint:gosec // not negative
	}
	if p.Count < n || n == 0 && p.Count > 1 { // one may be too large to be sent
		return errIncomplete
	}
	return nil
}

// request sends a request and returns the answer. It asks again if none comes.
func (x *Exchange) request(ctx context.Context, subject string, data []byte, attempts int) ([]byte, error) {
	var err error
	for range attempts {
		var answer []byte
		answer, err = x.requestOnce(ctx, subject, data)
		if err == nil {
			return answer, nil
		}
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("ask for sessions: %w", err)
}

func (x *Exchange) requestOnce(ctx context.Context, subject string, data []byte) ([]byte, error) {
	within, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	inbox := x.nc.NewInbox()
	sealed, err := x.seal(subject, inbox, data)
	if err != nil {
		return nil, err
	}
	answers, err := x.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := x.nc.PublishRequest(subject, inbox, sealed); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	m, err := answers.NextMsgWithContext(within)
	switch {
	case err != nil:
		return nil, err
	case len(m.Data) == 0 && m.Header.Get("Status") == "503":
		return nil, nats.ErrNoResponders
	}
	return x.open(inbox, "", m.Data)
}
