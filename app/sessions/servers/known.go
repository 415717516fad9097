package servers

import (
	"time"

	"usher/app/sessions"
	"usher/callout/session"
)

// state is what is known about one live connection, in four bytes: an installation can have a
// million.
type state uint32

const (
	foreign   state = 1 << iota // it did not come by auth callout
	unclaimed                   // it did, and the registry does not have it
	confirmed                   // its server has said that it is there; account is set
	shift     = iota
)

// known is what is known about one server. It is guarded by Servers.mu.
type known struct {
	info        serverInfo
	answered    time.Time
	conns       map[uint64]state
	counts      map[uint32]int         // confirmed connections, by account
	unconfirmed map[uint64]time.Time   // since when
	unclaimed   map[uint64]unclaimedBy // what an adopted session is made of
	// ended has the connections that have ended lately, true: refused. What is said of them
	// later is out of date: another replica tells, or a list was made before they ended.
	ended, endedBefore map[uint64]bool
	differs            map[uint32]bool // accounts whose number differed at the last check; true: too few connections are known
	scan               schedule
	checks             int // answers to STATZ
	foreign            int // connections that did not come by auth callout
}

type unclaimedBy struct {
	*client
	since time.Time
}

// accounts gives the accounts of servers numbers.
type accounts struct {
	names []string
	index map[string]uint32
}

func (a *accounts) number(name string) uint32 {
	n, ok := a.index[name]
	if !ok {
		n = uint32(len(a.names)) //nolint:gosec // there are no 2^29 accounts
		a.names, a.index[name] = append(a.names, name), n
	}
	return n
}

// server returns what is known about a server, for changes.
func (s *Servers) server(id string) *known {
	k := s.servers[id]
	if k == nil {
		k = &known{
			info: serverInfo{ID: id}, answered: s.cfg.Now(), conns: map[uint64]state{}, counts: map[uint32]int{},
			unconfirmed: map[uint64]time.Time{}, unclaimed: map[uint64]unclaimedBy{}, ended: map[uint64]bool{}, differs: map[uint32]bool{},
		}
		s.servers[id] = k
	}
	return k
}

// forgetEnded forgets connections that ended two calls ago.
func (k *known) forgetEnded() { k.ended, k.endedBefore = map[uint64]bool{}, k.ended }

func (k *known) hasEnded(cid uint64) (refused, ok bool) {
	if refused, ok = k.ended[cid]; !ok {
		refused, ok = k.endedBefore[cid]
	}
	return refused, ok
}

// confirm notes that a server has a connection.
func (k *known) confirm(c *client, account uint32, now time.Time) {
	if _, ended := k.hasEnded(c.ID); ended {
		return
	}
	old, ok := k.conns[c.ID]
	if old&confirmed != 0 {
		k.counts[uint32(old>>shift)]--
	}
	next := confirmed | state(account)<<shift
	switch {
	case !c.byCallout() && (!ok || old&(foreign|unclaimed) != 0):
		next |= foreign
	case !ok || old&foreign != 0:
		next |= unclaimed
		k.unclaimed[c.ID] = unclaimedBy{c, now}
	default:
		next |= old & unclaimed
	}
	delete(k.unconfirmed, c.ID)
	k.set(c.ID, next)
	k.counts[account]++
}

// set changes what is known about a connection.
func (k *known) set(cid uint64, next state) {
	if k.conns[cid]&foreign != 0 {
		k.foreign--
	}
	if next&foreign != 0 {
		k.foreign++
	}
	k.conns[cid] = next
}

// drop forgets a connection. ours: the registry may have it.
func (k *known) drop(cid uint64) (was state, ours bool) {
	was, ok := k.conns[cid]
	if was&confirmed != 0 {
		k.counts[uint32(was>>shift)]--
	}
	k.set(cid, 0)
	delete(k.conns, cid)
	delete(k.unconfirmed, cid)
	delete(k.unclaimed, cid)
	return was, ok && was&(foreign|unclaimed) == 0
}

// Observer returns what the registry of Start must tell.
func (s *Servers) Observer() sessions.Observer {
	return sessions.Observer{Added: s.added, Removed: func(x *session.Session, _ sessions.Ending) { s.removed(x.ID) }}
}

// added notes a session that the registry has.
func (s *Servers) added(x *session.Session) {
	if !s.Configured() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.server(x.Server)
	if _, ended := k.hasEnded(x.ID.Client); ended {
		s.late = append(s.late, x.ID) // the registry is not changed while it tells others of this session
		s.wake()
		return
	}
	old, ok := k.conns[x.ID.Client]
	k.set(x.ID.Client, old&^(foreign|unclaimed))
	delete(k.unclaimed, x.ID.Client)
	if !ok {
		k.unconfirmed[x.ID.Client] = s.cfg.Now()
	}
}

func (s *Servers) removed(id session.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.servers[id.Server]; k != nil {
		k.drop(id.Client)
	}
}
