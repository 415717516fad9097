package stanbridge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Reason is why something was refused, or not answered.
type Reason string

// The reasons. Reasons says what each means.
const (
	ReasonMalformed    Reason = "malformed"
	ReasonClient       Reason = "client"
	ReasonChannel      Reason = "channel"
	ReasonTooLarge     Reason = "too_large"
	ReasonSubscription Reason = "subscription"
	ReasonRejected     Reason = "rejected"
	ReasonUnavailable  Reason = "unavailable"
	ReasonFull         Reason = "full"
	ReasonShare        Reason = "share"
	ReasonOverflow     Reason = "overflow"
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonMalformed, ReasonClient, ReasonChannel, ReasonTooLarge, ReasonSubscription, ReasonRejected,
		ReasonUnavailable, ReasonFull, ReasonShare, ReasonOverflow,
	}
}

// Status is the state of a Bridge.
type Status struct {
	Connected    bool
	Unreachable  error // why the last attempt to connect has failed; nil if connected
	Stream       error // nil: the stream is there
	Clients      int   // distinct ones that were heard of in the last five minutes
	Connects     uint64
	Received     uint64 // messages
	Acked        uint64
	Unanswered   uint64 // answers that could not be sent
	Refused      map[Reason]uint64
	Pending      int // messages that wait for JetStream
	PendingBytes int
}

// Status returns the state. That of a nil Bridge is empty.
func (b *Bridge) Status() Status {
	if b == nil {
		return Status{Stream: errNotConnected}
	}
	waits := b.pending.amount()
	s := Status{
		Connected: b.nc.IsConnected(), Stream: b.stream.get(), Clients: b.clients.count(b.cfg.Now()),
		Connects: b.counts.connects.Load(), Received: b.counts.received.Load(), Acked: b.counts.acked.Load(),
		Unanswered: b.counts.unanswered.Load(), Refused: map[Reason]uint64{}, Pending: waits.messages, PendingBytes: waits.bytes,
	}
	if err := b.unreachable.Load(); err != nil && !s.Connected {
		s.Unreachable = *err
	}
	b.counts.mu.Lock()
	for _, r := range Reasons() {
		s.Refused[r] = b.counts.refused[r]
	}
	b.counts.mu.Unlock()
	if dropped, err := b.publish.Dropped(); err == nil {
		s.Refused[ReasonOverflow] = uint64(max(0, dropped))
	}
	return s
}

type counts struct {
	connects, received, acked, unanswered atomic.Uint64

	mu      sync.Mutex
	refused map[Reason]uint64
}

func (c *counts) refuse(r Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[Reason]uint64{}
	}
	c.refused[r]++
}

// clients knows when clients were last heard of, for a metric. It knows a bounded number of
// them, and forgets the one that was silent for longest.
type clients struct {
	mu   sync.Mutex
	last *simplelru.LRU[string, time.Time]
}

const (
	maxClients   = 16384
	clientSilent = 5 * time.Minute
)

func newClients() *clients {
	last, _ := simplelru.NewLRU[string, time.Time](maxClients, nil) // fails only for a size of 0
	return &clients{last: last}
}

func (c *clients) seen(id string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last.Add(id, now)
}

func (c *clients) count(now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, at := range c.last.Values() {
		if now.Sub(at) < clientSilent {
			n++
		}
	}
	return n
}
