package bans

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gaissmai/bart"

	"usher/directory"
	"usher/directory/hashtable"
)

// Index has bans by id and by target. There may be thousands, so a change copies only what it
// touches. A nil *Index has none, and it costs a request nothing.
type Index struct {
	byID     hashtable.Table[directory.Ban]
	byTarget hashtable.Table[group] // but for networks
	networks *bart.Table[*group]
	kinds    map[directory.BanKind]int // number of bans; a request asks only for kinds that there are
}

// group is the bans of one target. Nobody changes it.
type group struct {
	target directory.BanTarget
	bans   []*directory.Ban // sorted by id
}

// Clone returns a copy. A change of one does not concern the other.
func (x *Index) Clone() *Index {
	if x != nil {
		own := *x
		own.kinds = maps.Clone(x.kinds)
		return &own
	}
	return &Index{networks: &bart.Table[*group]{}, kinds: map[directory.BanKind]int{}}
}

// inForce returns the ban of the group that ends last, of those that concern a token; nil: none
// is in force.
func (g *group) inForce(issued, now time.Time) *directory.Ban {
	var last *directory.Ban
	for _, b := range g.bans {
		if b.InForce(now) && concerns(b, issued) && (last == nil || b.Until.After(last.Until)) {
			last = b
		}
	}
	return last
}

// concerns reports whether a ban is of a token that was issued at a time; zero: not known. Times
// of tokens are whole seconds.
func concerns(b *directory.Ban, issued time.Time) bool {
	return b.IssuedBefore.IsZero() || issued.IsZero() || issued.Before(b.IssuedBefore)
}

// with returns the group with a ban in place of the one with the same id; nil: without it.
func (g *group) with(id string, b *directory.Ban) *group {
	next := &group{target: g.target, bans: slices.DeleteFunc(slices.Clone(g.bans), func(b *directory.Ban) bool { return b.ID == id })}
	if b != nil {
		i, _ := slices.BinarySearchFunc(next.bans, id, func(b *directory.Ban, id string) int { return strings.Compare(b.ID, id) })
		next.bans = slices.Insert(next.bans, i, b)
	}
	return next
}

// hashTarget needs no memory, because each request may need it.
func hashTarget(kind directory.BanKind, t *directory.BanTarget) uint64 {
	switch kind {
	case directory.BanOfUser:
		return hashtable.HashBytes(t.User[:])
	case directory.BanOfKey:
		return hashtable.HashBytes(t.User[:]) ^ hashtable.HashString(t.Key)
	case directory.BanOfDigest:
		return hashtable.HashBytes(t.Digest[:])
	case directory.BanOfMQTT:
		return hashtable.HashString(t.MQTTClientID)
	case directory.BanOfIdentity:
		return hashtable.HashString(t.IdentityID) ^ hashtable.HashString(t.SessionID)
	case directory.BanOfNetwork:
	}
	return 0
}

// group returns the bans of a target that is no network; nil: none.
func (x *Index) group(kind directory.BanKind, t *directory.BanTarget) *group {
	return x.byTarget.Find(hashTarget(kind, t), func(g *group) bool { return g.target == *t })
}

// Set puts a ban, or removes it if v is nil.
func (x *Index) Set(o *hashtable.Owner, id string, v *directory.Ban) {
	match := func(b *directory.Ban) bool { return b.ID == id }
	if old := x.byID.Find(hashtable.HashString(id), match); old != nil {
		x.setInGroup(o, &old.Target, id, nil)
		x.byID.Remove(o, hashtable.HashString(id), match)
	}
	if v != nil {
		x.byID.Put(o, hashtable.HashString(id), v, match)
		x.setInGroup(o, &v.Target, id, v)
	}
}

func (x *Index) setInGroup(o *hashtable.Owner, t *directory.BanTarget, id string, v *directory.Ban) {
	kind := t.Kind()
	if x.kinds[kind]--; v != nil {
		x.kinds[kind] += 2
	}
	if kind == directory.BanOfNetwork {
		old, _ := x.networks.Get(t.Network)
		if old == nil {
			old = &group{target: *t}
		}
		if next := old.with(id, v); len(next.bans) > 0 {
			x.networks = x.networks.InsertPersist(t.Network, next)
		} else {
			x.networks = x.networks.DeletePersist(t.Network)
		}
		return
	}
	old := x.group(kind, t)
	if old == nil {
		old = &group{target: *t}
	}
	hash, match := hashTarget(kind, t), func(g *group) bool { return g.target == *t }
	if next := old.with(id, v); len(next.bans) > 0 {
		x.byTarget.Put(o, hash, next, match)
	} else {
		x.byTarget.Remove(o, hash, match)
	}
}
