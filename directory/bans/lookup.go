package bans

import (
	"iter"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/hashtable"
)

// Of returns the ban of a target that is in force; nil: there is none. For a network, see
// OfAddr.
func (x *Index) Of(t *directory.BanTarget, now time.Time) *directory.Ban {
	return x.OfToken(t, time.Time{}, now)
}

// OfToken is Of for the token of an identity that was issued at a time; zero: that is not
// known, so every ban of the identity concerns it.
func (x *Index) OfToken(t *directory.BanTarget, issued, now time.Time) *directory.Ban {
	kind := t.Kind()
	if !x.Has(kind) {
		return nil
	}
	if g := x.group(kind, t); g != nil {
		return g.inForce(issued, now)
	}
	return nil
}

// Has reports whether there is a ban of a kind.
func (x *Index) Has(kind directory.BanKind) bool { return x != nil && x.kinds[kind] > 0 }

// OfAddr returns a ban in force of a network with this address; nil: there is none.
func (x *Index) OfAddr(a netip.Addr, now time.Time) *directory.Ban {
	if x == nil || !a.IsValid() || !x.networks.Contains(a) {
		return nil
	}
	for _, g := range x.networks.Supernets(netip.PrefixFrom(a, a.BitLen())) {
		if b := g.inForce(time.Time{}, now); b != nil { // a ban of a smaller network may have ended
			return b
		}
	}
	return nil
}

// OfKey returns a ban in force of a user, of a key of the user, or of the key's digest; nil:
// there is none.
func (x *Index) OfKey(user uuid.UUID, k *directory.Key, now time.Time) *directory.Ban {
	for _, t := range []directory.BanTarget{{User: user}, {User: user, Key: k.ID}, {Digest: k.Digest}} {
		if b := x.Of(&t, now); b != nil {
			return b
		}
	}
	return nil
}

// Find returns the ban with this id.
func (x *Index) Find(id string) (*directory.Ban, bool) {
	if x == nil {
		return nil, false
	}
	b := x.byID.Find(hashtable.HashString(id), func(b *directory.Ban) bool { return b.ID == id })
	return b, b != nil
}

// All yields every ban, in force or not, in no particular order.
func (x *Index) All() iter.Seq[*directory.Ban] {
	if x == nil {
		return func(func(*directory.Ban) bool) {}
	}
	return x.byID.All()
}

// Len returns the number of bans, in force or not.
func (x *Index) Len() int {
	if x == nil {
		return 0
	}
	return x.byID.Len()
}

// Ended returns the keys of the bans that are not in force any more.
func (x *Index) Ended(now time.Time) []directory.EntryKey {
	var keys []directory.EntryKey
	for b := range x.All() {
		if !b.InForce(now) {
			keys = append(keys, directory.BanKey(b.ID))
		}
	}
	return keys
}
