package exchange

import (
	"context"
	"slices"
)

// State is by what a replica decides requests.
type State struct {
	Revision   uint64   // of the bucket; 0: no bucket
	Directory  [32]byte // digest of the directory file; zero: no file
	Identities [32]byte // digest of the configuration of identities
}

// covers reports whether who decides by s decides by want, or by what came after it in the
// bucket. Files have no order: their digests are equal or not. A zero digest is not compared.
func (s *State) covers(want *State) bool {
	var none [32]byte
	return s.Revision >= want.Revision &&
		(want.Directory == none || s.Directory == want.Directory) &&
		(want.Identities == none || s.Identities == want.Identities)
}

// Announce tells the other replicas by which state this one decides from now on.
func (x *Exchange) Announce(s State) {
	x.mu.Lock()
	same := x.state == s
	x.state = s
	x.wakeWaiting()
	x.mu.Unlock()
	if !same {
		x.beatSoon()
	}
}

// InForce waits until every live replica decides by at least a state, this one too. It
// returns at once if they do. If ctx ends first, it returns the replicas that did not yet,
// sorted. A replica that is gone meanwhile is not waited for.
func (x *Exchange) InForce(ctx context.Context, s State) (late []string) {
	for {
		x.mu.Lock()
		late = x.late(&s)
		changed := x.changed
		x.mu.Unlock()
		if len(late) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return late
		}
	}
}

// late returns the live replicas that do not decide by at least want. The caller holds mu.
func (x *Exchange) late(want *State) (late []string) {
	if !x.state.covers(want) {
		late = append(late, x.cfg.Instance)
	}
	for name, p := range x.peers {
		if s := p.beat.state(); !p.gone && !s.covers(want) {
			late = append(late, name)
		}
	}
	slices.Sort(late)
	return late
}

// wakeWaiting makes InForce look again. The caller holds mu.
func (x *Exchange) wakeWaiting() {
	close(x.changed)
	x.changed = make(chan struct{})
}
