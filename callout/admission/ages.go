package admission

import (
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

// Since returns when the client with this number had come to the server at the
// latest, and learns from it. It is not after now.
func (a *Ages) Since(server string, number uint64, now time.Time) time.Time {
	n, ok := a.servers.Get(server)
	if !ok {
		n = &numbers{}
		if old, found, _ := a.servers.PeekOrAdd(server, n); found {
			n = old
		}
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
	count := len(n.marks)
	if count > 0 && number <= n.marks[count-1].highest {
		first := n.marks[sort.Search(count, func(i int) bool { return n.marks[i].highest >= number })].at
		if first.After(now) { // another worker was faster
			return now
		}
		return first
	}
	if count > 0 && now.Sub(n.marks[count-1].at) < grain {
		n.marks[count-1].highest = number // came later than the mark says; it is still the newest
		return now
	}
	gone := sort.Search(count, func(i int) bool { return now.Sub(n.marks[i].at) < tracked })
	n.marks = append(append(n.marks[:0], n.marks[gone:]...), mark{now, number})
	return now
}
