package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"usher/api/messages"
)

const (
	// pullRound is how long one pull request waits at most. A server that takes over a
	// consumer does not know the requests of the one before, so they are made again.
	pullRound = 10 * time.Second
	// pullSlack is how much later than asked for the end of a request may arrive.
	pullSlack = time.Second
	// spareStatuses is room for statuses besides the messages.
	spareStatuses = 16

	// headerPending is how many messages of a request a server has not sent, and will not.
	headerPending = "Nats-Pending-Messages"

	statusNoMessages   = "404"
	statusTimeout      = "408"
	statusNoResponders = "503"
)

// pullRequest is the body of a pull request (ADR-13).
type pullRequest struct {
	Expires  time.Duration `json:"expires,omitempty"`
	Batch    int           `json:"batch"`
	MaxBytes int           `json:"max_bytes,omitempty"`
	NoWait   bool          `json:"no_wait,omitempty"`
}

// pull is one call of Pull. It has a subscription of its own: a server forgets a request when
// nobody subscribes to its reply subject, and there is no other way to take one back.
type pull struct {
	store    *Store
	conn     *nats.Conn
	window   *window
	ref      messages.SubscriptionRef
	max      int
	maxBytes int // of memory

	inbox   string
	subject string
	sub     *nats.Subscription
	arrived chan *nats.Msg
	open    int      // requests whose end has not arrived
	release []func() // of what these have of the window
	asked   int      // messages that the request asks for
	came    int      // messages of the request
	wire    int      // bytes of these
	memory  int      // that these take
	largest int      // size of a message
	got     []messages.Received
	size    int  // of got in memory
	full    bool // a message that came did not fit any more
}

// Pull returns messages of a subscription. If the next message alone is larger than maxBytes,
// it returns that one, because nothing else would ever get past it.
//
// It makes several requests, each for a part of maxBytes: what is on its way has to fit into the
// window of the account.
//
// When ctx ends, what was on its way goes back at once.
func (s *Store) Pull(ctx context.Context, ref messages.SubscriptionRef, maxMessages, maxBytes int, wait time.Duration) ([]messages.Received, error) {
	a, err := s.account(ctx, ref.Project.Account)
	if err != nil {
		return nil, err
	}
	if !a.conn.IsConnected() {
		return nil, errDisconnected
	}
	p := &pull{
		store: s, conn: a.conn, window: a.window, ref: ref, max: max(1, maxMessages), maxBytes: maxBytes,
		inbox:   a.conn.NewInbox() + "." + rand.Text(), // nobody guesses it who has seen another one
		subject: "$JS.API.CONSUMER.MSG.NEXT." + ref.Project.Name + "." + ref.Subscription.Name,
	}
	p.arrived = make(chan *nats.Msg, p.max+spareStatuses)
	if p.sub, err = a.conn.ChanSubscribe(p.inbox, p.arrived); err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	err = p.run(ctx, wait)
	if err != nil {
		p.giveBack(p.got)
		p.got = nil
	}
	p.end()
	return p.got, err
}

// run asks until there is a message or the time is over.
func (p *pull) run(ctx context.Context, wait time.Duration) error {
	missed := false
	for {
		round, began := min(wait, pullRound), p.store.cfg.Now()
		end, err := p.round(ctx, round, p.ask(p.max))
		if err == nil && p.came > 0 && end == endRefused {
			return p.more(ctx)
		}
		if err != nil || p.came > 0 {
			return err
		}
		if end == endEmpty {
			if wait -= round; wait <= 0 {
				return nil
			}
			continue
		}
		err = p.store.whyNoConsumer(ctx, p.ref)
		switch {
		case errors.Is(err, errNoLeader) && end == endRefused && !missed:
			if end, err = p.one(ctx); err == nil && p.came > 0 {
				return p.more(ctx)
			}
			missed = end != endEmpty // somebody else has got it
		case errors.Is(err, messages.ErrNoConsumer) && wait > 0 && !missed:
			err, missed = nil, true // it may be moved just now
		case errors.Is(err, errNoLeader) && wait > 0:
			err, missed = nil, true
		}
		if err != nil {
			return err
		}
		if wait -= max(noLeaderPause, p.store.cfg.Now().Sub(began)); wait <= 0 {
			return nil
		}
		if err := pause(ctx, noLeaderPause); err != nil {
			return err
		}
	}
}

// more asks for the rest of the messages, once some have come.
func (p *pull) more(ctx context.Context) error {
	for !p.full && len(p.got) < p.max {
		ask := p.ask(p.max - len(p.got))
		if ask < p.largest/2 {
			return nil // it would bring nothing
		}
		switch end, err := p.round(ctx, 0, ask); {
		case errors.Is(err, messages.ErrBusy):
			return nil
		case err != nil || p.came == 0 || end != endRefused:
			return err
		}
	}
	return nil
}

// ask returns how many bytes to ask for with n messages.
func (p *pull) ask(n int) int {
	expands := p.window.expands(p.ref.Project.Name)
	ask := max(leastRequest, min(requestWindow, n*messageWindow)/expands, 2*p.largest)
	return min(ask, p.maxBytes-p.size)
}

// one asks for one message of any size. A server refuses a request with the same number when
// the next message is larger than the bytes asked for, when the consumer's leader changed and
// when the server shuts down.
func (p *pull) one(ctx context.Context) (ending, error) {
	most := p.max
	p.max = 1
	defer func() { p.max = most }()
	return p.round(ctx, 0, 0)
}

// ending is how a pull request ended.
type ending int

const (
	endFull     ending = iota // with as many messages as asked for
	endEmpty                  // there are no more
	endRefused                // the server says so
	endUnserved               // no server has the consumer
)

// round makes one request, and receives what it brings. maxBytes 0: one message of any size.
func (p *pull) round(ctx context.Context, wait time.Duration, maxBytes int) (ending, error) {
	p.asked, p.came, p.wire, p.memory = p.max-len(p.got), 0, 0, 0
	defer func() { p.window.observe(p.ref.Project.Name, p.wire, p.memory) }()
	expands := p.window.expands(p.ref.Project.Name)
	takes := maxBytes * expands
	switch {
	case maxBytes == 0:
		takes = int(p.conn.MaxPayload()) + maxHeader*expands
	case wait > 0:
		maxBytes, takes = min(maxBytes, waitingRequest), 0
	}
	release, err := p.window.acquire(ctx, p.ref.Project.Name, takes)
	if err != nil {
		return 0, err
	}
	p.release = append(p.release, release)
	body, err := json.Marshal(pullRequest{Expires: wait, Batch: p.asked, MaxBytes: maxBytes, NoWait: true})
	if err != nil {
		return 0, fmt.Errorf("pull: %w", err)
	}
	if err := p.conn.PublishRequest(p.subject, p.inbox, body); err != nil {
		return 0, fmt.Errorf("pull: %w", err)
	}
	p.open++
	// A request that does not wait is kept nevertheless while the consumer may have no more
	// messages out (MaxAckPending), without an end.
	timer := time.NewTimer(wait + pullSlack)
	defer timer.Stop()
	end, sent := endFull, p.asked // how the request ends, once so many messages have come
	for {
		select {
		case m, ok := <-p.arrived:
			switch {
			case !ok:
				return 0, errDisconnected
			case !p.receive(m):
				end, sent = p.ended(m)
				timer.Reset(pullSlack)
			case p.came == 1: // the others come at once, and the end after them
				timer.Reset(pullSlack)
			}
			if p.came >= sent {
				p.open--
				p.release = p.release[:len(p.release)-1]
				release()
				return end, nil
			}
			if maxBytes > 0 && p.wire == maxBytes {
				// A server ends such a request without a status. It counts as open until the
				// end of the pull, in case one of an older release counts in another way.
				p.release = p.release[:len(p.release)-1]
				release()
				return endRefused, nil
			}
		case <-timer.C:
			if len(p.got) > 0 || wait > 0 {
				return endEmpty, nil
			}
			_, err := p.store.consumerInfo(ctx, p.ref)
			return endEmpty, err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// ended reads the status by which a server ends a request, and how many messages it has sent
// for it. The status of a replicated consumer overtakes messages: these wait until the other
// servers know of them.
func (p *pull) ended(status *nats.Msg) (end ending, sent int) {
	pending, err := strconv.Atoi(status.Header.Get(headerPending))
	if err == nil && pending >= 0 {
		sent = max(0, p.asked-pending)
	}
	switch status.Header.Get(statusHeader) {
	case statusNoMessages, statusTimeout:
		return endEmpty, sent
	case statusNoResponders:
		return endUnserved, sent
	default:
		if sent == p.asked {
			return endFull, sent
		}
		return endRefused, sent
	}
}

// receive keeps a message. It returns false for a status.
func (p *pull) receive(m *nats.Msg) bool {
	if m.Reply == "" {
		return m.Header.Get(statusHeader) == "" // an answer to somebody's message ends nothing
	}
	d, ok := parseDelivery(m.Reply, p.ref.Project.Name, p.ref.Subscription.Name, p.store.cfg.Now())
	if ok {
		p.came++
		p.keep(m, d)
	}
	return true // what is no message of the consumer comes from somebody else
}

// keep keeps a message, if it fits. Else it goes back: what it takes shows only now.
func (p *pull) keep(m *nats.Msg, d messages.Delivery) {
	p.largest = max(p.largest, m.Size())
	p.wire, p.memory = p.wire+m.Size(), p.memory+memoryOf(m)
	r := received(m, d)
	size := int(r.MemorySize())
	if p.full = p.full || len(p.got) > 0 && p.size+size > p.maxBytes; p.full {
		_ = m.Respond(nakBody) // if this fails, the ack deadline gives it back
		return
	}
	p.got, p.size = append(p.got, r), p.size+size
}

// end ends the subscription. If a request may still be open, messages may be on their way:
// they are given back as soon as the server knows that nobody waits for them any more.
func (p *pull) end() {
	leave := func() {
		for _, release := range p.release {
			release()
		}
	}
	if p.open == 0 {
		_ = p.sub.Unsubscribe() // fails only if the connection is closed
		leave()
		return
	}
	if p.sub.Drain() != nil {
		leave()
		return
	}
	// Not in the way of who left.
	go func() {
		defer leave()
		ctx, cancel := context.WithTimeout(context.Background(), p.store.cfg.Timeout)
		defer cancel()
		_ = p.conn.FlushWithContext(ctx) // without an answer no message can arrive either
		for {
			select {
			case m, ok := <-p.arrived:
				if !ok {
					return
				}
				if _, ok := parseDelivery(m.Reply, p.ref.Project.Name, p.ref.Subscription.Name, time.Time{}); ok {
					_ = m.Respond(nakBody) // if this fails, the ack deadline gives it back
				}
			default:
				return
			}
		}
	}()
}

// giveBack returns messages that nobody will get.
func (p *pull) giveBack(got []messages.Received) {
	for _, r := range got {
		_ = p.conn.Publish(AckSubject(p.ref, r.Delivery), nakBody) // if this fails, the ack deadline gives it back
	}
}
