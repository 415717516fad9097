package hashtable

import "slices"

const (
	fanOutBits = 7
	fanOut     = 1 << fanOutBits
)

type branch[K any] struct {
	owner    *Owner
	children [fanOut]*K
}

type leaf[T any] struct {
	owner *Owner
	slots []slot[T]
}

// slot holds the hash next to the item, so that both are in one cache line.
type slot[T any] struct {
	hash uint32 // leafBits of the item's hash
	item *T
}

// A hash has three parts, from its upper end: the child of the root, the child of
// the branch, and the position in the leaf.
func rootBits(hash uint64) uint64   { return hash >> (64 - fanOutBits) }
func branchBits(hash uint64) uint64 { return hash >> (64 - 2*fanOutBits) % fanOut }
func leafBits(hash uint64) uint32   { return uint32(hash >> (64 - 2*fanOutBits - 32)) } //nolint:gosec // some of the bits

func sameLeaf(x, y uint64) bool { return (x^y)>>(64-2*fanOutBits) == 0 }

// mutable returns b if o owns it, and a copy that o owns if not.
func (b *branch[K]) mutable(o *Owner) *branch[K] {
	switch {
	case b == nil:
		return &branch[K]{owner: o}
	case b.owner == o:
		return b
	default:
		c := *b
		c.owner = o
		return &c
	}
}

// mutable returns l if o owns it, and a copy that o owns if not.
func (l *leaf[T]) mutable(o *Owner) *leaf[T] {
	switch {
	case l == nil:
		return &leaf[T]{owner: o}
	case l.owner == o:
		return l
	default:
		return &leaf[T]{owner: o, slots: slices.Clone(l.slots)}
	}
}

// firstCapacity is the capacity of a new leaf, which doubles when it is full. A
// table of a million items has 61 items in a leaf on average. Doubling from 5 gives
// a capacity of 80; doubling from 1 would give 64, too small for a third of the
// leaves.
const firstCapacity = 5

func (l *leaf[T]) insert(i int, s slot[T]) {
	if n := len(l.slots); n == cap(l.slots) {
		l.slots = append(make([]slot[T], 0, max(firstCapacity, 2*n)), l.slots...)
	}
	l.slots = slices.Insert(l.slots, i, s)
}

func (l *leaf[T]) delete(i int) { l.slots = slices.Delete(l.slots, i, i+1) }

// search returns the index of the item in the leaf, or the index at which it has to
// be inserted. Hashes are spread evenly. So the search starts where the item would be
// on average and goes on from there, which takes fewer steps than a binary search.
func (l *leaf[T]) search(hash uint32, match func(*T) bool) (i int, found bool) {
	slots := l.slots
	i = int(uint64(hash) * uint64(len(slots)) >> 32)
	for i > 0 && slots[i-1].hash >= hash {
		i--
	}
	for i < len(slots) && slots[i].hash < hash {
		i++
	}
	for ; i < len(slots) && slots[i].hash == hash; i++ {
		if match(slots[i].item) {
			return i, true
		}
	}
	return i, false
}
