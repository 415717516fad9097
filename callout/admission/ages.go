package admission

import (
	"slices"
	"sort"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	tracked = 4 * time.Second       // how far back it is known who had come; clients are not that patient
	grain   = 20 * time.Millisecond // how exactly
	servers = 1024                  // kept; the one that was longest without a client is forgotten
)

// Ages knows since when clients have been there at least. A server numbers its
// clients as they come. Whoever has a lower number than one that was seen before
// has come before that one, however late its request is: in a storm, a server
// takes seconds to get to it, and by then the client may have left. Neither
// server nor request says so. Safe for concurrent use.
type Ages struct{ servers *lru.Cache[string, *numbers] }

// NewAges returns Ages that know of nobody.
func NewAges() *Ages {
	c, err := lru.New[string, *numbers](servers)
	if err != nil { // for sizes below 1
		panic(err)
	}
	return &Ages{c}
}

// Learn takes note that the server had given this number to a client by then. It
// takes the word of whoever calls it: call it for what has been verified only,
// or anybody could make the clients of a server look old.
func (a *Ages) Learn(server string, number uint64, then time.Time) {
	n, ok := a.servers.Get(server)
	if !ok {
		n = &numbers{}
		if old, found, _ := a.servers.PeekOrAdd(server, n); found {
			n = old
		}
	}
	n.learn(number, then)
}

// Wants reports whether Learn would make a difference: a new highest number, and
// none so far for this moment. It is so at most once in a grain for each server, so
// it is worth verifying a request for it that may be shed later.
func (a *Ages) Wants(server string, number uint64, then time.Time) bool {
	n, ok := a.servers.Peek(server)
	return !ok || n.wants(number, then)
}

// Since returns when the client with this number had come to the server at the
// latest, as far as is known: not after now.
func (a *Ages) Since(server string, number uint64, now time.Time) time.Time {
	n, ok := a.servers.Peek(server)
	if !ok {
		return now
	}
	return n.since(number, now)
}

// numbers are those of one server.
type numbers struct {
	mu    sync.Mutex
	marks []mark // by time, and by highest
}

// mark says that number highest had been given by then.
type mark struct {
	at      time.Time
	highest uint64
}

func (n *numbers) since(number uint64, now time.Time) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.reached(number)
	if i == len(n.marks) || n.marks[i].at.After(now) {
		return now
	}
	return n.marks[i].at
}

// reached returns the first mark that is as high as number.
func (n *numbers) reached(number uint64) int {
	return sort.Search(len(n.marks), func(i int) bool { return n.marks[i].highest >= number })
}

func (n *numbers) wants(number uint64, then time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.notBefore(then)
	return i == 0 || then.Sub(n.marks[i-1].at) >= grain && number > n.marks[i-1].highest
}

// notBefore returns the first mark that is not before then.
func (n *numbers) notBefore(then time.Time) int {
	return sort.Search(len(n.marks), func(i int) bool { return !n.marks[i].at.Before(then) })
}

func (n *numbers) learn(number uint64, then time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.notBefore(then) // what is learnt need not come in order
	switch {
	case i > 0 && n.marks[i-1].highest >= number:
		return // known already
	case i > 0 && then.Sub(n.marks[i-1].at) < grain:
		i-- // came a little later than that mark says, but is it
	case i == len(n.marks):
		gone := sort.Search(i, func(i int) bool { return then.Sub(n.marks[i].at) < tracked })
		n.marks = append(append(n.marks[:0], n.marks[gone:]...), mark{then, number})
		return
	case n.marks[i].at.Sub(then) >= grain:
		n.marks = slices.Insert(n.marks, i, mark{then, number})
	}
	// Whatever was given later is not lower.
	for ; i < len(n.marks) && n.marks[i].highest < number; i++ {
		n.marks[i].highest = number
	}
}
