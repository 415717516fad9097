package sessions

import "usher/callout/session"

// Contest is two sessions of one connection, granted to different credentials, of which nobody
// knows which was granted last. A client that sends CONNECT twice at once can make one: two
// replicas grant, and neither has heard of the other. Their clocks do not tell, so the
// connection may have any of the two grants, and a change of what it really has might not
// close it.
type Contest struct{ One, Other *session.Session }

// order reports whether a session that has just been granted takes the place of the one that
// its connection has. It is called with the lock held.
func (ids *idShard) order(r *Registry, s *session.Session) (replaces bool, c *Contest) {
	at, ok := ids.servers[s.Server][s.ID.Client]
	if !ok {
		return true, nil
	}
	shard, slot := r.at(at)
	rec := shard.get(slot)
	old := r.session(&rec)
	switch newer := s.Decided.After(old.Decided); {
	case old.Adopted, s.Adopted, s.RequestID == old.RequestID:
		return true, nil
	case !s.Follows.IsZero() && !s.Follows.Before(old.Decided):
		return true, nil
	case s.Instance == old.Instance: // and has one clock: a server asks again only after the answer
		return newer, nil
	case sameCredential(s, old):
		return newer, nil
	default:
		return newer, &Contest{old, s}
	}
}

// sameCredential reports whether two sessions get the same from the same directory, but for
// what they connect from.
func sameCredential(a, b *session.Session) bool {
	x, y := &a.Identity, &b.Identity
	return x.Name == y.Name && x.ID == y.ID && x.Authority == y.Authority && x.Method == y.Method && x.KeyID == y.KeyID &&
		x.Selection == y.Selection && a.Digest == b.Digest
}
