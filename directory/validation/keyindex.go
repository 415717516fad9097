package validation

import (
	"usher/directory"
	"usher/directory/hashtable"
)

// keyIndex finds keys by digest. The first key of a user has the number of the user;
// all other keys have the numbers after those of the users.
type keyIndex struct {
	index hashtable.Index
	users int
	more  []keyPosition // of the keys with numbers from users on
}

// keyPosition is the index of a user, and the index of a key among the user's keys.
type keyPosition struct{ user, key int }

func newKeyIndex(users []directory.User) keyIndex {
	n := len(users)
	for i := range users {
		n += max(len(users[i].Keys)-1, 0)
	}
	return keyIndex{index: hashtable.NewIndex(n), users: len(users), more: make([]keyPosition, 0, n-len(users))}
}

func (x *keyIndex) position(number int) keyPosition {
	if number < x.users {
		return keyPosition{user: number}
	}
	return x.more[number-x.users]
}

// add adds the key at a position, unless a key with this digest exists: then it
// returns the position of that one.
func (x *keyIndex) add(d *directory.Digest, p keyPosition, match func(keyPosition) bool) (first keyPosition, exists bool) {
	number := p.user
	if p.key > 0 {
		number = x.users + len(x.more)
	}
	existing, exists := x.index.Add(hashtable.HashBytes(d[:]), number, func(n int) bool { return match(x.position(n)) })
	if exists {
		return x.position(existing), true
	}
	if p.key > 0 {
		x.more = append(x.more, p)
	}
	return keyPosition{}, false
}
