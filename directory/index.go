package directory

import "math/bits"

// index finds numbers by the hash of what they stand for: a hash table with
// open addressing, at most half full, that keeps no key. A slot is 0, or a
// number plus one; the bits above it are those of the hash, so that what others
// stand for need not be looked at.
//
// A Go map would do, with a copy of every key, several times the memory and more
// cache misses.
type index struct {
	slots   []uint32
	last    uint64 // index of the last slot, all bits set
	numbers uint32 // the bits of a slot that hold the number
}

// newIndex returns an index for numbers below n.
func newIndex(n int) index {
	size := bits.Len(uint(n))
	return index{slots: make([]uint32, 2<<size), last: 2<<size - 1, numbers: 1<<size - 1}
}

// find returns the number with this hash for which is holds.
func (x *index) find(hash uint64, is func(number int) bool) (int, bool) {
	slot := x.slots[x.probe(hash, is)]
	return x.number(slot), slot != 0
}

// add adds a number, unless there is one already for which is holds, which it
// then returns.
func (x *index) add(hash uint64, number int, is func(number int) bool) (prior int, taken bool) {
	at := x.probe(hash, is)
	if slot := x.slots[at]; slot != 0 {
		return x.number(slot), true
	}
	x.slots[at] = uint32(hash>>32)&^x.numbers | uint32(number+1) //nolint:gosec // numbers are below n
	return 0, false
}

func (x *index) number(slot uint32) int { return int(slot&x.numbers) - 1 }

// probe returns the slot of the number with this hash for which is holds, or
// the empty one where it would be.
func (x *index) probe(hash uint64, is func(number int) bool) uint64 {
	at := hash & x.last
	for ; x.slots[at] != 0; at = (at + 1) & x.last {
		if slot := x.slots[at]; (slot^uint32(hash>>32))&^x.numbers == 0 && is(x.number(slot)) {
			break
		}
	}
	return at
}

// keyIndex finds keys by digest. The first key of a user has the number of the
// user; the others come after them.
type keyIndex struct {
	index index
	users int
	more  []keyPlace // of the numbers from users on
}

// keyPlace is a user's number and which of the user's keys it is.
type keyPlace struct{ user, key int }

func newKeyIndex(users []User) keyIndex {
	n := len(users)
	for i := range users {
		n += max(len(users[i].Keys)-1, 0)
	}
	return keyIndex{index: newIndex(n), users: len(users), more: make([]keyPlace, 0, n-len(users))}
}

func (x *keyIndex) place(number int) keyPlace {
	if number < x.users {
		return keyPlace{user: number}
	}
	return x.more[number-x.users]
}

// add adds the key at a place, unless the digest is there already.
func (x *keyIndex) add(d *Digest, at keyPlace, is func(keyPlace) bool) (first keyPlace, taken bool) {
	number := at.user
	if at.key > 0 {
		number = x.users + len(x.more)
	}
	prior, taken := x.index.add(hashDigest(d), number, func(n int) bool { return is(x.place(n)) })
	if taken {
		return x.place(prior), true
	}
	if at.key > 0 {
		x.more = append(x.more, at)
	}
	return keyPlace{}, false
}
