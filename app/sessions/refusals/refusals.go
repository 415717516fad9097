package refusals

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"usher/app/sessions"
	"usher/callout/keyusage"
	"usher/callout/session"
	"usher/internal/audit"
)

// Config configures Refusals.
type Config struct {
	Registry *sessions.Registry
	Instance string // of this usher: it reports what it has granted
	Audit    func(audit.RefusedByServer)
	Log      *slog.Logger
	Now      func() time.Time
}

// Refusals joins what the servers say with what this usher has granted. It is safe for
// concurrent use, and its methods return at once.
type Refusals struct {
	cfg   Config
	heard atomic.Bool // the servers say it in the callout account

	mu     sync.Mutex
	joins  map[session.ID]*join
	totals map[Class]uint64
	last   []refusal // of the last ones, oldest first
	logged map[Class]*logged
}

const (
	maxJoins = 8192             // connections about which one half is known
	joinWait = time.Second      // for the other half
	recently = 15 * time.Second // a connection that is older was accepted once
	maxLast  = 100
	logAgain = 10 * time.Second // for each class
)

// join is what is known about a connection that may have been refused. The two halves come
// in either order.
type join struct {
	session *session.Session // granted here, and removed; nil: not known, or in the registry
	said    bool             // a server has said why
	refused bool             // a server has said that, and not why
	reason  string
	done    bool
	at      time.Time
}

// logged is what has been logged of one class.
type logged struct {
	at      time.Time
	omitted int
}

// refusal is one of the last refusals.
type refusal struct {
	class   Class
	session *session.Session
	reason  string
	hint    string
	at      time.Time
}

// New returns Refusals that know of none.
func New(cfg Config) *Refusals {
	return &Refusals{cfg: cfg, joins: map[session.ID]*join{}, totals: map[Class]uint64{}, logged: map[Class]*logged{}}
}

// Event takes a message of Subject.
func (r *Refusals) Event(data []byte) {
	r.heard.Store(true)
	id, reason, ok := decode(data)
	if !ok {
		return
	}
	r.change(id, func(j *join) { j.said, j.reason = true, reason })
}

// RefusedAt is told that a server did not let in a connection, for servers that do not say in
// the callout account why.
func (r *Refusals) RefusedAt(id session.ID) {
	if !r.heard.Load() {
		r.change(id, func(j *join) { j.refused = true })
	}
}

// Removed is told of sessions that the registry has removed. An observer of it calls this.
func (r *Refusals) Removed(s *session.Session) {
	if r.isRecent(s) {
		r.change(s.ID, func(j *join) { j.session = s })
	}
}

// Granted is told of a connection that this usher has granted and added to the registry.
func (r *Refusals) Granted(s *session.Session) {
	r.mu.Lock()
	_, waiting := r.joins[s.ID]
	r.mu.Unlock()
	if waiting {
		r.change(s.ID, func(*join) {})
	}
}

// isRecent reports whether this usher has granted a session, and only just.
func (r *Refusals) isRecent(s *session.Session) bool {
	return !s.Adopted && s.Instance == r.cfg.Instance && r.cfg.Now().Sub(s.Started) < recently
}

// change adds what is known about a connection. If it is enough, the refusal is reported.
func (r *Refusals) change(id session.ID, edit func(*join)) {
	r.mu.Lock()
	j := r.joins[id]
	if j == nil {
		if len(r.joins) >= maxJoins {
			r.mu.Unlock()
			return
		}
		j = &join{at: r.cfg.Now()}
		r.joins[id] = j
	}
	edit(j)
	s := r.take(id, j)
	reason := j.reason
	r.mu.Unlock()
	if s != nil {
		r.report(s, classOf(reason), reason)
	}
}

// take returns the session that a server has refused, once; nil: there is nothing to report.
// r.mu is held.
func (r *Refusals) take(id session.ID, j *join) *session.Session {
	if j.done || !j.said {
		return nil
	}
	s := r.granted(id, j)
	j.done = s != nil
	return s
}

// granted returns the session of a connection.
func (r *Refusals) granted(id session.ID, j *join) *session.Session {
	if j.session != nil {
		return j.session
	}
	if s, ok := r.cfg.Registry.Find(id); ok && r.isRecent(s) {
		return s
	}
	return nil
}

// Run ends what nobody waits for any more, until ctx ends.
func (r *Refusals) Run(ctx context.Context) {
	tick := time.NewTicker(joinWait / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.expire()
		case <-ctx.Done():
			return
		}
	}
}

// expire forgets what is older than joinWait. A refusal without a reason is reported then.
func (r *Refusals) expire() {
	now := r.cfg.Now()
	var unsaid []*session.Session
	r.mu.Lock()
	for id, j := range r.joins {
		if now.Sub(j.at) < joinWait {
			continue
		}
		if j.refused && !j.done && !r.heard.Load() {
			if s := r.granted(id, j); s != nil {
				unsaid = append(unsaid, s)
			}
		}
		delete(r.joins, id)
	}
	r.mu.Unlock()
	for _, s := range unsaid {
		r.report(s, named(classes(), NotSaid), "")
	}
}

// report says that a server has refused a session, and removes it.
func (r *Refusals) report(s *session.Session, c class, reason string) {
	now := r.cfg.Now()
	r.mu.Lock()
	r.totals[c.name]++
	if len(r.last) == maxLast {
		r.last = append(r.last[:0], r.last[1:]...)
	}
	r.last = append(r.last, refusal{c.name, s, reason, c.hint, now})
	omitted, due := r.due(c.name, now)
	r.mu.Unlock()
	r.cfg.Registry.Remove(s.ID, sessions.Refused)
	r.cfg.Audit(s.RefusedByServer(now, string(c.name), reason, c.hint))
	if due {
		r.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "a server did not accept a user JWT",
			slog.String("reason", reason), slog.String("class", string(c.name)), slog.String("request_id", s.RequestID),
			slog.String("user", s.Identity.Name), slog.String("account", s.Grant.Account), slog.String("server", s.ServerName),
			slog.Int("not_logged", omitted), slog.String("hint", c.hint))
	}
}

// due reports whether a refusal is to be logged, and how many were not. r.mu is held.
func (r *Refusals) due(name Class, now time.Time) (omitted int, due bool) {
	l := r.logged[name]
	if l == nil {
		l = &logged{}
		r.logged[name] = l
	}
	if !l.at.IsZero() && now.Sub(l.at) < logAgain {
		l.omitted++
		return 0, false
	}
	omitted = l.omitted
	*l = logged{at: now}
	return omitted, true
}

// Count is how often refusals of a class were reported.
type Count struct {
	Class Class
	Total uint64
}

// Counts returns the number of refusals of each class since the start, also of those without.
func (r *Refusals) Counts() []Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Count
	for _, c := range classes() {
		out = append(out, Count{c.name, r.totals[c.name]})
	}
	return out
}

// Last returns the last refusals by account and class, for the report of a running usher.
func (r *Refusals) Last() []keyusage.Refused {
	r.mu.Lock()
	defer r.mu.Unlock()
	return grouped(r.last)
}
