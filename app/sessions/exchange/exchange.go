package exchange

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/callout/session"
)

// Exchange is one replica's part of the exchange. Its methods are safe for concurrent use.
type Exchange struct {
	cfg    Config
	mode   cbor.DecMode
	nc     *nats.Conn
	all    *nats.Subscription // to subjectAll
	stop   context.CancelFunc
	loops  sync.WaitGroup
	access access

	membersChanged, beatNow, flushNow, repairSoon, connected chan struct{} // with room for one

	members atomic.Pointer[members]
	mu      sync.Mutex
	state   State
	peers   map[string]*peer
	changed chan struct{} // closed and replaced on each change of state and peers
	// complete: the others may count on this replica. collected: it has asked them, or there
	// was nobody to ask.
	complete, collected bool
	completed           chan struct{}

	taking   sync.Mutex // held while the changes of a message are noted and applied
	outgoing outgoing
	incoming incoming
	loaded   []*session.Session // that nobody else may know; nil once they are shared
	served   transfers
	warnings warnings
	asked    atomic.Uint64 // transfers that this replica began

	gaps, malformed, oversized, transferred atomic.Uint64
}

// New returns an Exchange that is not connected. Granted and Removed can be called
// before Start: what they are told is sent after it.
func New(cfg Config) (*Exchange, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	mode, err := decoder()
	if err != nil {
		return nil, fmt.Errorf("exchange of sessions: %w", err)
	}
	x := &Exchange{
		cfg: cfg, mode: mode, peers: map[string]*peer{}, changed: make(chan struct{}), completed: make(chan struct{}),
		membersChanged: make(chan struct{}, 1), beatNow: make(chan struct{}, 1), flushNow: make(chan struct{}, 1),
		repairSoon: make(chan struct{}, 1), connected: make(chan struct{}, 1),
	}
	x.members.Store(&members{self: -1})
	return x, nil
}

// Start connects. An unreachable server is not an error: the connection keeps retrying.
func (x *Exchange) Start() error {
	if err := x.connect(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	x.stop = stop
	x.loops.Go(func() { x.sendBeats(ctx) })
	x.loops.Go(func() { x.sendBatches(ctx) })
	x.loops.Go(func() { x.collect(ctx) })
	x.loops.Go(func() { x.repair(ctx) })
	x.loops.Go(func() { x.callMembers(ctx) })
	return nil
}

// Stop tells the others that this replica leaves, and disconnects. What was granted before
// is sent first.
func (x *Exchange) Stop() {
	x.stop()
	x.loops.Wait()
	x.flush()
	x.sendBeat(true)
	if x.nc.IsConnected() {
		_ = x.nc.FlushTimeout(stopTimeout) // the others notice without it too, later
	}
	x.nc.Close()
}

const stopTimeout = time.Second

// Complete is closed once this replica has the sessions of the others, or has waited for
// them for Config.Wait.
func (x *Exchange) Complete() <-chan struct{} { return x.completed }

// Granted shares a session that this replica has granted and added to the registry.
func (x *Exchange) Granted(s *session.Session) { x.outgoing.add(change{granted: s}, x.flushNow) }

// Removed shares that a session was removed from the registry, unless another replica has
// told so. An observer of the registry calls it.
func (x *Exchange) Removed(s *session.Session, why sessions.Ending) {
	if x.incoming.note(s.ID) {
		x.outgoing.add(change{id: s.ID, why: why}, x.flushNow)
	}
}

// Loaded takes sessions that were kept over a restart and are in the registry. They are
// shared only if no other replica is complete when this one starts: one that ran all the
// time knows better which of them live. Call it before Start.
func (x *Exchange) Loaded(all []*session.Session) { x.loaded = all }

func (x *Exchange) setComplete() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.complete {
		return
	}
	x.complete = true
	close(x.completed)
	x.updateMembers()
	x.beatSoon()
}

func (x *Exchange) callMembers(ctx context.Context) {
	for {
		select {
		case <-x.membersChanged:
			if x.cfg.OnMembers != nil {
				x.cfg.OnMembers()
			}
		case <-ctx.Done():
			return
		}
	}
}

// beatSoon sends a heartbeat before the next one is due.
func (x *Exchange) beatSoon() { wake(x.beatNow) }

// sendBeats sends heartbeats, and looks for replicas that are gone.
func (x *Exchange) sendBeats(ctx context.Context) {
	tick := time.NewTicker(x.cfg.Heartbeat)
	defer tick.Stop()
	swept := x.cfg.Now()
	for {
		select {
		case <-tick.C:
			now := x.cfg.Now()
			x.sweep(now.Sub(swept) > 2*x.cfg.Heartbeat)
			swept = now
			wake(x.repairSoon)
			x.served.expire(now)
		case <-x.beatNow:
		case <-ctx.Done():
			return
		}
		x.sendBeat(false)
	}
}

func (x *Exchange) sendBeat(leaving bool) {
	x.mu.Lock()
	s, complete := x.state, x.complete
	x.mu.Unlock()
	var none [32]byte
	b := &beat{Revision: s.Revision, Sessions: x.cfg.Registry.Len(), Complete: complete, Leaving: leaving}
	if s.Directory != none {
		b.Directory = s.Directory[:]
	}
	if s.Identities != none {
		b.Identities = s.Identities[:]
	}
	x.outgoing.mu.Lock()
	defer x.outgoing.mu.Unlock()
	data, err := cbor.Marshal(&message{From: x.cfg.Instance, Sequence: x.outgoing.sequence, Beat: b})
	if err == nil {
		x.publish(data)
	}
}

// publish sends a message to every replica. What cannot be sent is lost: the others notice.
func (x *Exchange) publish(data []byte) {
	if !x.access.allowed() {
		return
	}
	if sealed, err := x.seal(subjectAll, "", data); err == nil {
		_ = x.nc.Publish(subjectAll, sealed)
	}
}
