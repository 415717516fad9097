package admission

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	retention  = 4 * time.Second       // how long a sample is kept; clients give up sooner
	resolution = 20 * time.Millisecond // between two samples of a server
	maxServers = 1024                  // least recently used servers are evicted
)

// ConnectTimes estimates when clients connected. A server numbers its clients in
// the order in which they connect (client IDs). If an ID was in use at some time,
// all clients with lower IDs had connected by then. In a connect storm a server
// takes seconds to send the request of a client, which may have given up by then;
// neither the server nor the request says so. Safe for concurrent use.
type ConnectTimes struct {
	servers *lru.Cache[string, *samples]
}

// NewConnectTimes returns ConnectTimes without samples.
func NewConnectTimes() *ConnectTimes {
	c, err := lru.New[string, *samples](maxServers)
	if err != nil { // for sizes below 1
		panic(err)
	}
	return &ConnectTimes{c}
}

// Observe records that the client ID was in use on the server at that time. Call
// it for verified requests only: otherwise anyone could make the clients of a
// server look old.
func (c *ConnectTimes) Observe(server string, clientID uint64, at time.Time) {
	s, ok := c.servers.Get(server)
	if !ok {
		s = &samples{}
		if existing, found, _ := c.servers.PeekOrAdd(strings.Clone(server), s); found {
			s = existing
		}
	}
	s.add(clientID, at)
}

// NeedsSample reports whether Observe would add a sample: the ID is higher than
// all before, and the last sample is at least resolution old. This happens so
// rarely that it pays to verify a request for it that may be shed later.
func (c *ConnectTimes) NeedsSample(server string, clientID uint64, at time.Time) bool {
	s, ok := c.servers.Peek(server)
	return !ok || s.needs(clientID, at)
}

// ConnectedBy returns a time by which the client had connected: the earliest that
// is known, and not after now.
func (c *ConnectTimes) ConnectedBy(server string, clientID uint64, now time.Time) time.Time {
	s, ok := c.servers.Peek(server)
	if !ok {
		return now
	}
	return s.connectedBy(clientID, now)
}

// samples are those of one server.
type samples struct {
	mu    sync.Mutex
	order []sample // ascending, both by time and by highest
}

// sample says that the client ID highest was in use at that time.
type sample struct {
	at      time.Time
	highest uint64
}

func (s *samples) connectedBy(clientID uint64, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.order), func(i int) bool { return s.order[i].highest >= clientID })
	if i == len(s.order) || s.order[i].at.After(now) {
		return now
	}
	return s.order[i].at
}

func (s *samples) needs(clientID uint64, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.search(at)
	return i == 0 || at.Sub(s.order[i-1].at) >= resolution && clientID > s.order[i-1].highest
}

// search returns the index of the first sample that is not before at.
func (s *samples) search(at time.Time) int {
	return sort.Search(len(s.order), func(i int) bool { return !s.order[i].at.Before(at) })
}

func (s *samples) add(clientID uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.search(at) // observations can arrive out of order
	switch {
	case i > 0 && s.order[i-1].highest >= clientID:
		return // known already
	case i > 0 && at.Sub(s.order[i-1].at) < resolution:
		i-- // raises the sample before it, which is slightly too early
	case i == len(s.order):
		expired := sort.Search(i, func(i int) bool { return at.Sub(s.order[i].at) < retention })
		s.order = append(append(s.order[:0], s.order[expired:]...), sample{at, clientID})
		return
	case s.order[i].at.Sub(at) >= resolution:
		s.order = slices.Insert(s.order, i, sample{at, clientID})
	}
	// Later samples cannot be lower.
	for ; i < len(s.order) && s.order[i].highest < clientID; i++ {
		s.order[i].highest = clientID
	}
}
