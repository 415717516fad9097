package exchange

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"usher/callout/session"
)

// members are the replicas among which Mine chooses: those that live and are complete.
type members struct {
	names  []string // sorted
	hashes []uint64 // in the order of names
	self   int      // index of this replica; -1: it is not complete
}

// Mine reports whether this replica is the one that acts on a session. Replicas that agree
// on who lives agree on it (rendezvous hashing). All versions of usher must hash alike.
func (x *Exchange) Mine(id session.ID) bool {
	m := x.members.Load()
	return m.self >= 0 && m.choose(id) == m.self
}

// choose returns the index of the replica with the highest weight for id.
func (m *members) choose(id session.ID) int {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], xxhash.Sum64String(id.Server)^id.Client)
	best, highest := 0, uint64(0)
	for i, h := range m.hashes {
		binary.LittleEndian.PutUint64(b[8:], h)
		if w := xxhash.Sum64(b[:]); w > highest {
			best, highest = i, w
		}
	}
	return best
}

// updateMembers makes a new list if the replicas have changed. The caller holds mu.
func (x *Exchange) updateMembers() {
	names := []string{}
	if x.complete {
		names = append(names, x.cfg.Instance)
	}
	for name, p := range x.peers {
		if !p.gone && p.beat.Complete {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if slices.Equal(names, x.members.Load().names) {
		return
	}
	m := &members{names: names, self: slices.Index(names, x.cfg.Instance)}
	for _, name := range names {
		m.hashes = append(m.hashes, xxhash.Sum64String(name))
	}
	x.members.Store(m)
	wake(x.membersChanged)
}

// peer is another replica.
type peer struct {
	heard time.Time
	gone  bool
	beat  beat
	first uint64 // the first change that could be heard
	next  uint64 // the change to be heard next

	// Changes from missing to missingTo were not heard, or not all of them; 0: all were.
	missing, missingTo uint64

	// replaced: it is gone, and another replica has given all that it knows. Only this one
	// has the rest, and is asked for it if it comes back.
	replaced bool
}

// incomplete reports whether there is somebody to ask for changes that were not heard.
func (p *peer) incomplete() bool { return p.missing > 0 && (!p.gone || !p.replaced) }

func (p *peer) miss(from, to uint64) {
	if p.missing == 0 || from < p.missing {
		p.missing = from
	}
	p.missingTo = max(p.missingTo, to)
}

// have notes that all changes up to one are there.
func (p *peer) have(upTo uint64) {
	p.next = max(p.next, upTo+1)
	if upTo >= p.missingTo {
		p.missing, p.missingTo = 0, 0
	} else {
		p.missing = max(p.missing, upTo+1)
	}
}

const (
	maxPeers    = 256
	rememberFor = 10 * time.Minute // how long a peer that is gone is remembered
)

// heard notes that a message of another replica has arrived. It returns false if its changes
// are not to be taken: they were before.
func (x *Exchange) heard(m *message) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.peers[m.From]
	first := m.Sequence + 1 // that can be heard
	if m.hasChanges() {
		first = m.Sequence
	}
	if p == nil {
		if len(x.peers) >= maxPeers {
			return true // a view without it is better than none
		}
		p = &peer{gone: true, first: first, next: 1}
		if !x.collected {
			p.next = first // the collection says later what was before it
		}
		x.peers[m.From] = p
	}
	if p.gone {
		x.beatSoon() // so that it knows this replica as soon
		p.replaced = false
		if p.missing > 0 {
			wake(x.repairSoon)
		}
	}
	p.heard, p.gone = x.cfg.Now(), false
	if m.Beat != nil {
		p.beat, p.gone = *m.Beat, m.Beat.Leaving
	}
	repeated := m.hasChanges() && m.Sequence < p.next
	if first > p.next {
		x.gaps.Add(1)
		p.miss(p.next, first-1)
		wake(x.repairSoon)
	}
	p.next = max(p.next, m.Sequence+1)
	x.updateMembers()
	x.wakeWaiting()
	return !repeated
}

// sweep looks for replicas that are gone. late: this process has not run for so long that
// their heartbeats may still wait to be read.
func (x *Exchange) sweep(late bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now, changed := x.cfg.Now(), false
	for name, p := range x.peers {
		switch age := now.Sub(p.heard); {
		case late && !p.gone:
			p.heard = now
		case !p.gone && age >= x.cfg.goneAfter():
			p.gone, changed = true, true
		case p.gone && age >= rememberFor:
			delete(x.peers, name)
		}
	}
	if changed {
		x.updateMembers()
		x.wakeWaiting()
	}
}

// live returns the other replicas that live and are complete, those with the most sessions
// first.
func (x *Exchange) live() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	names := slices.Sorted(maps.Keys(x.peers))
	names = slices.DeleteFunc(names, func(n string) bool { return x.peers[n].gone || !x.peers[n].beat.Complete })
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(x.peers[b].beat.Sessions, x.peers[a].beat.Sessions) })
	return names
}

// wake makes the reader of a channel with room for one run soon.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
