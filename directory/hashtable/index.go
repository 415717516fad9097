package hashtable

import "math/bits"

// Index finds numbers by the hash of what they stand for: a hash table with open
// addressing that is at most half full and stores no key. A slot is 0 if it is
// empty. Otherwise its lower bits hold the number plus one, and its upper bits hold
// bits of the hash, so that most other items need not be compared.
//
// A Go map would copy every key, take several times the memory and miss the cache
// more often.
type Index struct {
	slots      []uint32
	slotMask   uint64 // of the index of a slot
	numberMask uint32 // of the bits in a slot that hold the number
}

// NewIndex returns an Index for numbers from 0 to n-1.
func NewIndex(n int) Index {
	size := bits.Len(uint(n))
	return Index{slots: make([]uint32, 2<<size), slotMask: 2<<size - 1, numberMask: 1<<size - 1}
}

// Find returns the number with this hash for which match returns true.
func (x *Index) Find(hash uint64, match func(number int) bool) (int, bool) {
	slot := x.slots[x.probe(hash, match)]
	return x.number(slot), slot != 0
}

// Add adds a number, unless there is one already for which match returns true: then
// it returns that one.
func (x *Index) Add(hash uint64, number int, match func(number int) bool) (existing int, exists bool) {
	i := x.probe(hash, match)
	if slot := x.slots[i]; slot != 0 {
		return x.number(slot), true
	}
	x.slots[i] = uint32(hash>>32)&^x.numberMask | uint32(number+1) //nolint:gosec // numbers are below n
	return 0, false
}

func (x *Index) number(slot uint32) int { return int(slot&x.numberMask) - 1 }

// probe returns the index of the slot with this hash for which match returns true,
// or of the empty slot where it belongs.
func (x *Index) probe(hash uint64, match func(number int) bool) uint64 {
	i := hash & x.slotMask
	for ; x.slots[i] != 0; i = (i + 1) & x.slotMask {
		if slot := x.slots[i]; (slot^uint32(hash>>32))&^x.numberMask == 0 && match(x.number(slot)) {
			break
		}
	}
	return i
}
