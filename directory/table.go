package directory

import (
	"hash/maphash"
	"iter"
	"slices"

	"github.com/google/uuid"
)

// seed keeps whoever may add users from choosing names that collide. It is that
// of the process, so that the same records make the same snapshot.
var seed = maphash.MakeSeed()

func hashName(name string) uint64 { return maphash.String(seed, name) }

func hashDigest(d *Digest) uint64 { return maphash.Bytes(seed, d[:]) }

func hashID(id *uuid.UUID) uint64 { return maphash.Bytes(seed, id[:]) }

// table is a hash table that shares what did not change with the table that it
// was made from: two levels of branches, then leaves that are sorted by hash. Of
// a million items, a change copies two branches and a leaf of some 60 items.
//
// Maps from libraries that do the same take three to five times the memory, or
// more steps for one look-up.
type table[T any] struct {
	root *branch[branch[leaf[T]]]
	size int
}

// edit is whoever makes a new version. What it has made, it may change.
type edit struct{ _ byte }

const (
	fanBits = 7
	fan     = 1 << fanBits
)

type branch[K any] struct {
	owner *edit
	kids  [fan]*K
}

type leaf[T any] struct {
	owner *edit
	slots []slot[T]
}

// slot has the hash beside the item, so that both are in one line of a cache.
type slot[T any] struct {
	hash uint32 // the part that within returns
	item *T
}

func (b *branch[K]) owned(e *edit) *branch[K] {
	switch {
	case b == nil:
		return &branch[K]{owner: e}
	case b.owner == e:
		return b
	default:
		c := *b
		c.owner = e
		return &c
	}
}

func (l *leaf[T]) owned(e *edit) *leaf[T] {
	switch {
	case l == nil:
		return &leaf[T]{owner: e}
	case l.owner == e:
		return l
	default:
		return &leaf[T]{owner: e, slots: slices.Clone(l.slots)}
	}
}

// least is the room in a leaf that begins. It is doubled as often as it has to be.
// That makes room for 80 where a million items are, 61 in a leaf on average; from
// one on it would be 64, and too little for a third of the leaves.
const least = 5

func (l *leaf[T]) insert(at int, s slot[T]) {
	if n := len(l.slots); n == cap(l.slots) {
		l.slots = append(make([]slot[T], 0, max(least, 2*n)), l.slots...)
	}
	l.slots = slices.Insert(l.slots, at, s)
}

// place returns where an item with this hash is in the leaf, or belongs. Hashes
// are spread evenly, so that the way there from where it would be on average is
// shorter than a search.
func (l *leaf[T]) place(hash uint32, is func(*T) bool) (at int, found bool) {
	slots := l.slots
	at = int(uint64(hash) * uint64(len(slots)) >> 32)
	for at > 0 && slots[at-1].hash >= hash {
		at--
	}
	for at < len(slots) && slots[at].hash < hash {
		at++
	}
	for ; at < len(slots) && slots[at].hash == hash; at++ {
		if is(slots[at].item) {
			return at, true
		}
	}
	return at, false
}

// The parts of a hash, from its upper end: of the first branch, of the second, and
// of the slot.
func first(hash uint64) uint64  { return hash >> (64 - fanBits) }
func second(hash uint64) uint64 { return hash >> (64 - 2*fanBits) % fan }
func within(hash uint64) uint32 { return uint32(hash >> (64 - 2*fanBits - 32)) } //nolint:gosec // some of the bits

func sameLeaf(x, y uint64) bool { return (x^y)>>(64-2*fanBits) == 0 }

// find returns the item with this hash for which is holds; nil: there is none.
func (t *table[T]) find(hash uint64, is func(*T) bool) *T {
	if t.root == nil {
		return nil
	}
	b := t.root.kids[first(hash)]
	if b == nil {
		return nil
	}
	l := b.kids[second(hash)]
	if l == nil {
		return nil
	}
	if at, found := l.place(within(hash), is); found {
		return l.slots[at].item
	}
	return nil
}

// put puts an item in the place of the one for which is holds, or adds it.
func (t *table[T]) put(e *edit, hash uint64, item *T, is func(*T) bool) {
	l := t.leafOf(e, hash)
	at, found := l.place(within(hash), is)
	if found {
		l.slots[at].item = item
		return
	}
	l.insert(at, slot[T]{within(hash), item})
	t.size++
}

// claim adds an item, unless there is one for which is holds, which it returns.
func (t *table[T]) claim(e *edit, hash uint64, item *T, is func(*T) bool) (holder *T) {
	if holder = t.find(hash, is); holder == nil {
		t.put(e, hash, item, func(*T) bool { return false })
	}
	return holder
}

// remove removes the item for which is holds, if there is one.
func (t *table[T]) remove(e *edit, hash uint64, is func(*T) bool) {
	if t.find(hash, is) == nil {
		return
	}
	l := t.leafOf(e, hash)
	at, _ := l.place(within(hash), is)
	l.slots = slices.Delete(l.slots, at, at+1)
	t.size--
}

// leafOf returns the leaf of a hash, to be changed.
func (t *table[T]) leafOf(e *edit, hash uint64) *leaf[T] {
	t.root = t.root.owned(e)
	b := t.root.kids[first(hash)].owned(e)
	t.root.kids[first(hash)] = b
	l := b.kids[second(hash)].owned(e)
	b.kids[second(hash)] = l
	return l
}

// all yields every item, in no particular order.
func (t *table[T]) all() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		if t.root == nil {
			return
		}
		for _, b := range t.root.kids {
			if b == nil {
				continue
			}
			for _, l := range b.kids {
				if l == nil {
					continue
				}
				for i := range l.slots {
					if !yield(l.slots[i].item) {
						return
					}
				}
			}
		}
	}
}
