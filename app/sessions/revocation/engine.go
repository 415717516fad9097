package revocation

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"usher/app/sessions"
	"usher/callout"
	"usher/callout/session"
	"usher/directory/snapshot"
	"usher/identity"

	"golang.org/x/time/rate"
)

// Sessions has the live sessions: sessions.Registry.
type Sessions interface {
	Find(id session.ID) (*session.Session, bool)
	// Groups yields the sessions of some users, or with nil of all: one session, and the IDs
	// of all about which the same is decided.
	Groups(users []string, yield func(one *session.Session, all []session.ID) bool)
	// SetCloses sets what knows when a session is closed because its credential ends.
	SetCloses(at func(session.ID) time.Time)
}

// Decider decides again about sessions: callout.Decider.
type Decider interface {
	Reconsider(ctx context.Context, s *session.Session, snap *snapshot.Snapshot) callout.Decision
	// ReconsiderKept is Reconsider for a session that keeps its account and its signing key.
	ReconsiderKept(ctx context.Context, s *session.Session, snap *snapshot.Snapshot) callout.Decision
	DecideIdentity(snap *snapshot.Snapshot, id identity.Identity, limit int) callout.Decision
}

// Replicas knows the running ushers.
type Replicas interface {
	// InForce waits until every live replica decides by what this one decides by now. If ctx
	// ends first, it returns those that do not.
	InForce(ctx context.Context) (late []string)
	// Mine reports whether this replica closes a session. At each moment one does.
	Mine(id session.ID) bool
	// Live is the number of live replicas, this one included.
	Live() int
}

// Kicker closes connections: servers.Servers.
type Kicker interface {
	// KickAll returns once the servers have said that the connections are gone, and at the
	// end of ctx. failed are those that may still be there. rate 0: as fast as possible.
	KickAll(ctx context.Context, ids []session.ID, rate int) (failed []session.ID, err error)
}

// Closing is a session that is to be closed.
type Closing struct {
	Session *session.Session
	Cause   string // CauseLost, CauseGained, or a code of callout.Codes
	What    string // what was lost, or why the credential is no longer good; one line
}

// The causes that are no codes of callout.Codes.
const (
	CauseLost   = "lost"   // the grant has lost something
	CauseGained = "gained" // the grant has gained something, and revocation.on_gain is reconnect
	// CauseContested: replicas granted the connection to different credentials at once, and
	// nobody knows which of them it has.
	CauseContested = "contested"
)

// Config is what an Engine needs.
type Config struct {
	Decider  Decider
	Snapshot func() *snapshot.Snapshot // by which requests are decided; nil result: none is loaded
	Replicas Replicas
	Kicker   Kicker

	OnGain OnGain

	// Revoke is told of all sessions that are closed because of a loss, by every replica, once
	// the new state is in force; nil: nobody. It returns at once.
	Revoke func([]Closing)
	// Closed is told of each session that this replica has closed. It returns at once.
	Closed func(Closing)

	Log *slog.Logger
	Now func() time.Time
}

// OnGain is what happens to a session whose grant has only gained something.
type OnGain struct {
	Reconnect bool // it is closed
	Rate      int  // how many of those all replicas together close in a second
}

// Engine closes sessions. Make it with New, and the registry with its Observer. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	live    Sessions
	onGain  atomic.Pointer[OnGain]
	limiter *rate.Limiter // of what is closed because of a gain
	mapped  atomic.Bool   // there was a session of an identity that is no user of the directory

	wake  chan struct{} // holds an element while there is something to decide
	close chan struct{} // holds an element while there may be something to close

	mu       sync.Mutex
	changes  changes
	deciding bool                     // a round is under way
	revision uint64                   // of the directory of the newest decision
	reloaded time.Time                // when something without a revision last changed
	late     map[string]bool          // replicas that decided by an older state when last waited for
	schedule map[session.ID]time.Time // when to decide again
	pending  map[session.ID]*pending  // what is to be closed
	closed   map[string]uint64        // sessions that this replica has closed, by cause

	undecided map[session.ID]undecided
	whole     map[string]bool // users with a leaf node: any project of the account concerns them
	gains     gains           // of rounds
	ends      ends
}

// New returns an Engine. It decides nothing before Run.
func New(cfg Config) *Engine {
	e := &Engine{
		cfg: cfg, limiter: rate.NewLimiter(rate.Limit(cfg.OnGain.Rate), burst(cfg.OnGain)),
		wake: make(chan struct{}, 1), close: make(chan struct{}, 1),
		changes: changes{users: map[string]bool{}}, late: map[string]bool{},
		schedule: map[session.ID]time.Time{}, pending: map[session.ID]*pending{}, closed: map[string]uint64{CauseLost: 0},
		undecided: map[session.ID]undecided{}, whole: map[string]bool{}, gains: gains{last: map[string]time.Time{}}, ends: ends{at: map[session.ID]time.Time{}},
	}
	e.onGain.Store(&cfg.OnGain)
	return e
}

// SetOnGain replaces Config.OnGain. Sessions that wait to be closed because of a gain stay open
// if they are no longer to be closed.
func (e *Engine) SetOnGain(g OnGain) {
	before := e.onGain.Swap(&g)
	e.limiter.SetBurst(burst(g))
	if g.Reconnect != before.Reconnect {
		e.ChangedAll()
	}
}

func burst(g OnGain) int { return max(1, g.Rate/10) }

// limitGains gives this replica its share of the rate.
func (e *Engine) limitGains() {
	e.limiter.SetLimit(rate.Limit(float64(e.onGain.Load().Rate) / float64(max(1, e.cfg.Replicas.Live()))))
}

// Observer returns what tells e of the changes of the registry.
func (e *Engine) Observer() sessions.Observer {
	return sessions.Observer{Added: e.added, Removed: func(s *session.Session, _ sessions.Ending) { e.removed(s) }}
}

// Run decides about live sessions, and closes them, until ctx ends. It begins with all sessions: something may have
// changed while no usher ran.
func (e *Engine) Run(ctx context.Context, live Sessions) {
	e.live = live
	live.SetCloses(e.ends.of)
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { e.runClosing(ctx) })
	working.Go(func() { e.report(ctx) })
	e.ChangedAll()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var decided *snapshot.Snapshot // the directory of the last round, for adopted sessions
	for {
		select {
		case <-e.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		decided = e.round(ctx, decided, &working)
		timer.Reset(e.untilScheduled())
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
