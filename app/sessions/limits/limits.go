// Package limits bounds how many connections a user, a key or a project has at a time.
// nats-server takes no such limit from a user JWT that came over auth callout.
//
// It counts the sessions of the registry, so those of all replicas and servers, and the
// connections that this replica is about to grant. So it is exact for requests that reach
// one replica, and late by what the registry lags for those that reach others at the same
// moment. It never lets anybody in.
package limits

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
	"usher/identity"
	"usher/permissions"
)

// Config configures Limits. Now is required.
type Config struct {
	PerUser, PerKey, PerProject int // connections at a time; zero: any number

	// Close closes a connection, and returns at once: the oldest one makes room for a new
	// one. It has to call NotClosed if that fails. Nil: the new one is refused.
	Close func(s *session.Session, cause string)
	Now   func() time.Time
	// Ready returns nil if the registry hears of connections that end. While it does not, a
	// refusal is session.ErrCountUncertain. Nil: it always hears of them.
	Ready func() error
}

// Set reports whether there is a limit.
func (c *Config) Set() bool { return c.PerUser > 0 || c.PerKey > 0 || c.PerProject > 0 }

// Limits counts connections. It is safe for concurrent use.
type Limits struct {
	cfg Config

	mu       sync.Mutex
	holders  map[owner]holders
	sessions map[session.ID]*session.Session // that are in the registry
	stuck    map[session.ID]struct{}         // of sessions, those that could not be closed
	reserved map[session.ID][]owner          // that are in holders, and are not in the registry yet
}

// owner is who has a number of connections: a user, a key of a user, or a project.
type owner struct{ user, key, project string }

// holders are the connections that count, and since when each does.
type holders map[session.ID]time.Time

// New returns Limits without connections.
func New(cfg Config) *Limits {
	return &Limits{
		cfg: cfg, holders: map[owner]holders{}, sessions: map[session.ID]*session.Session{},
		stuck: map[session.ID]struct{}{}, reserved: map[session.ID][]owner{},
	}
}

// Observer keeps the counts as the registry is.
func (l *Limits) Observer() sessions.Observer {
	return sessions.Observer{Added: l.added, Removed: func(s *session.Session, _ sessions.Ending) { l.removed(s) }}
}

// Reserve implements session.Limits.
func (l *Limits) Reserve(id session.ID, who *identity.Identity, g *permissions.Grant) error {
	owners := l.owners(who, g)
	if len(owners) == 0 {
		return nil
	}
	closing, cause, err := l.reserve(id, who, owners)
	for _, s := range closing {
		l.cfg.Close(s, cause)
	}
	return err
}

// Full implements session.Limits.
func (l *Limits) Full(id session.ID, who *identity.Identity, g *permissions.Grant) bool {
	owners := l.owners(who, g)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _, _, err := l.place(id, who, owners)
	return err != nil
}

// NotClosed tells that a session could not be closed. It counts again if it is still there,
// and makes no room any more: else who is out of reach could have any number of connections.
func (l *Limits) NotClosed(s *session.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[s.ID] != s {
		return
	}
	l.stuck[s.ID] = struct{}{}
	for _, o := range l.owners(&s.Identity, &s.Grant) {
		if !l.has(o, s.ID) {
			l.add(o, s.ID, s.Started)
		}
	}
}

// reserve returns the sessions that must be closed for the connection, or the reason why it
// is refused.
func (l *Limits) reserve(id session.ID, who *identity.Identity, owners []owner) (closing []*session.Session, cause string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing, closing, cause, err := l.place(id, who, owners)
	if err != nil {
		return nil, "", err
	}
	for _, s := range closing { // it stays in sessions until it is gone
		l.discount(s)
	}
	for _, o := range missing {
		l.add(o, id, l.cfg.Now())
	}
	if len(missing) > 0 {
		l.reserved[id] = append(l.reserved[id], missing...)
	}
	return closing, cause, nil
}

// place finds out for which owners the connection does not count yet, and what must be
// closed for it, or why it is refused.
func (l *Limits) place(id session.ID, who *identity.Identity, owners []owner) (missing []owner, closing []*session.Session, cause string, err error) {
	live := l.isLive(id, who)
	for _, o := range owners {
		if l.has(o, id) {
			continue // asked about again
		}
		missing = append(missing, o)
		has, limit := l.holders[o], l.limit(o)
		over := len(has) + 1 - limit
		if over <= 0 || live {
			continue
		}
		cause = fmt.Sprintf("%s has %d connections, the limit is %d", o, len(has), limit)
		if closing, over = l.oldest(has, over, who.Name, closing); over > 0 || l.ready() != nil {
			return nil, nil, "", l.refusal(cause)
		}
	}
	return missing, closing, cause, nil
}

// isLive reports whether the user has this connection already, for the same. Nobody loses a
// connection because others have filled a project since. But a client may send CONNECT again,
// and select a project that it would not get into otherwise.
func (l *Limits) isLive(id session.ID, who *identity.Identity) bool {
	s := l.sessions[id]
	if s == nil || s.Identity.Name != who.Name {
		return false
	}
	was, is := &s.Identity.Selection, &who.Selection
	return was.Project == is.Project && was.Account == is.Account &&
		(s.Adopted || s.Identity.Authority == who.Authority && s.Identity.SameKey(who))
}

func (l *Limits) ready() error {
	if l.cfg.Ready == nil {
		return nil
	}
	return l.cfg.Ready()
}

func (l *Limits) refusal(cause string) error {
	if err := l.ready(); err != nil {
		return fmt.Errorf("%w: %s, as far as is known: %w", session.ErrCountUncertain, cause, err)
	}
	return errors.New(cause)
}

// oldest adds the oldest sessions of the user in has to closing until n of has are in it. It
// returns what is left of n: those of others are not closed for this one, and connections
// that are not granted yet cannot be.
func (l *Limits) oldest(has holders, n int, user string, closing []*session.Session) (all []*session.Session, left int) {
	if l.cfg.Close == nil {
		return closing, n
	}
	for _, s := range closing {
		if _, ok := has[s.ID]; ok {
			n--
		}
	}
	if n <= 0 {
		return closing, n
	}
	var own []*session.Session
	for id := range has {
		s := l.sessions[id]
		if _, stuck := l.stuck[id]; s != nil && !stuck && s.Identity.Name == user && !slices.Contains(closing, s) {
			own = append(own, s)
		}
	}
	slices.SortFunc(own, func(a, b *session.Session) int {
		return cmp.Or(has[a.ID].Compare(has[b.ID]), cmp.Compare(a.ID.Client, b.ID.Client))
	})
	own = own[:min(n, len(own))]
	return append(closing, own...), n - len(own)
}

// Release implements session.Limits.
func (l *Limits) Release(id session.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel(id)
}

// String names an owner for people.
func (o owner) String() string {
	switch {
	case o.project != "":
		return "project " + o.project
	case o.key != "":
		return "key " + o.key + " of user " + o.user
	default:
		return "user " + o.user
	}
}

func (l *Limits) limit(o owner) int {
	switch {
	case o.project != "":
		return l.cfg.PerProject
	case o.key != "":
		return l.cfg.PerKey
	default:
		return l.cfg.PerUser
	}
}

// owners returns who has a connection and is limited. usher's own health check is not.
func (l *Limits) owners(who *identity.Identity, g *permissions.Grant) (owners []owner) {
	if who.Authority == identity.AuthorityUsher || who.Name == "" {
		return nil
	}
	if l.cfg.PerUser > 0 {
		owners = append(owners, owner{user: who.Name})
	}
	if l.cfg.PerKey > 0 && who.KeyID != "" {
		owners = append(owners, owner{user: who.Name, key: who.KeyID})
	}
	if l.cfg.PerProject > 0 {
		if project := onlyProject(g); project != "" {
			owners = append(owners, owner{project: project})
		}
	}
	return owners
}

// onlyProject returns the project that a grant is for, if that is all it is for: the one that
// the client has selected, or the only one of the user. Other grants do not count for a
// project: who fills one and adds a user to it would keep that user out of everything else.
func onlyProject(g *permissions.Grant) string {
	projects := (&session.Session{Grant: *g}).Projects()
	if len(projects) != 1 || !g.OnlyIn(projects[0]) {
		return ""
	}
	return projects[0]
}

func (l *Limits) added(s *session.Session) {
	owners := l.owners(&s.Identity, &s.Grant)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel(s.ID)
	l.drop(s.ID) // it may be of somebody else now
	for _, o := range owners {
		l.add(o, s.ID, s.Started)
	}
	l.sessions[s.ID] = s
}

func (l *Limits) removed(s *session.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(s.ID)
}

func (l *Limits) add(o owner, id session.ID, since time.Time) {
	if l.holders[o] == nil {
		l.holders[o] = holders{}
	}
	l.holders[o][id] = since
}

// drop removes a session.
func (l *Limits) drop(id session.ID) {
	s := l.sessions[id]
	if s == nil {
		return
	}
	delete(l.sessions, id)
	delete(l.stuck, id)
	l.discount(s)
}

// discount removes the holders of a session.
func (l *Limits) discount(s *session.Session) {
	for _, o := range l.owners(&s.Identity, &s.Grant) {
		l.remove(o, s.ID)
	}
}

func (l *Limits) has(o owner, id session.ID) bool {
	_, ok := l.holders[o][id]
	return ok
}

// cancel removes a reservation.
func (l *Limits) cancel(id session.ID) {
	for _, o := range l.reserved[id] {
		l.remove(o, id)
	}
	delete(l.reserved, id)
}

func (l *Limits) remove(o owner, id session.ID) {
	has := l.holders[o]
	delete(has, id)
	if len(has) == 0 {
		delete(l.holders, o)
	}
}
