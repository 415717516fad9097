package exchange

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/nats-io/nats.go"

	"usher/callout/session"
)

const (
	maxTransfers  = 4  // at once, to other replicas
	maxFinished   = 32 // whose last page is kept
	transferLimit = 10 * time.Second
)

// transfers are those that this replica sends.
type transfers struct {
	mu  sync.Mutex
	all map[transferKey]*transfer
}

type transferKey struct {
	from string
	id   uint64
}

// transfer is what another replica has asked for. It keeps pointers, not the encoded form.
type transfer struct {
	sessions []*session.Session
	messages [][]byte
	seen     map[string]uint64
	total    int
	number   int    // of the last page that was sent
	page     []byte // that page, encoded
	finished bool   // there is no other page
	used     time.Time
}

// full reports whether another transfer must wait. The caller holds mu.
func (t *transfers) full() bool {
	finished := 0
	for _, one := range t.all {
		if one.finished {
			finished++
		}
	}
	return len(t.all)-finished >= maxTransfers || finished >= maxFinished
}

func (t *transfers) expire(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, one := range t.all {
		if now.Sub(one.used) > transferLimit {
			delete(t.all, k)
		}
	}
}

// answer answers a request of another replica.
func (x *Exchange) answer(m *nats.Msg) {
	if !x.access.allowed() {
		return
	}
	asked, err := x.open(m.Subject, m.Reply, m.Data)
	if err != nil {
		return
	}
	var r request
	if err := decode(x.mode, asked, &r); err != nil || !validInstance(r.From) {
		x.malformed.Add(1)
		return
	}
	data, err := x.pageFor(&r)
	if err != nil {
		x.warn("cannot share own ones", err)
		return
	}
	if sealed, err := x.seal(m.Reply, "", data); err == nil {
		_ = m.Respond(sealed) // the asker asks again
	}
}

// pageFor returns the page that a request asks for, encoded.
func (x *Exchange) pageFor(r *request) ([]byte, error) {
	x.served.mu.Lock()
	defer x.served.mu.Unlock()
	key := transferKey{r.From, r.Transfer}
	t := x.served.all[key]
	switch {
	case t == nil && r.Page != 0, t == nil && x.served.full():
		return cbor.Marshal(&page{Number: r.Page, Busy: true})
	case t == nil:
		t = x.begin(r.After)
		if x.served.all == nil {
			x.served.all = map[transferKey]*transfer{}
		}
		x.served.all[key] = t
	case r.Page == t.number:
		t.used = x.cfg.Now()
		return t.page, nil
	case r.Page != t.number+1 || t.finished:
		return cbor.Marshal(&page{Number: r.Page, Busy: true})
	}
	t.number, t.used = r.Page, x.cfg.Now()
	p := x.nextPage(t)
	var err error
	t.page, err = cbor.Marshal(p)
	if p.Last { // it may be asked for again
		t.finished, t.sessions, t.messages = true, nil, nil
	}
	return t.page, err
}

// begin begins a transfer. The sequences are read first: what is told after them is told to
// the asker too.
func (x *Exchange) begin(after *uint64) *transfer {
	t := &transfer{seen: map[string]uint64{}}
	x.taking.Lock()
	x.mu.Lock()
	for name, p := range x.peers {
		seen := p.next - 1
		if p.missing > 0 {
			seen = p.missing - 1
		}
		t.seen[name] = seen
	}
	x.mu.Unlock()
	x.taking.Unlock()
	x.outgoing.mu.Lock()
	t.seen[x.cfg.Instance] = x.outgoing.sequence
	ok := false
	if after != nil {
		t.messages, ok = x.outgoing.after(*after)
	}
	x.outgoing.mu.Unlock()
	if !ok {
		t.messages = nil
		for s := range x.cfg.Registry.All {
			if !s.Adopted { // CONNZ tells as much
				t.sessions = append(t.sessions, s)
			}
		}
	}
	// Sessions of one user have much in common, which a page has only once.
	slices.SortFunc(t.sessions, func(a, b *session.Session) int { return cmp.Compare(a.Identity.Name, b.Identity.Name) })
	t.total = len(t.sessions) + len(t.messages)
	return t
}

// nextPage takes the next page from a transfer.
func (x *Exchange) nextPage(t *transfer) *page {
	p := &page{Number: t.number, Total: t.total, Seen: t.seen}
	if len(t.messages) > 0 {
		for size := 0; p.Count < len(t.messages); p.Count++ {
			if size += len(t.messages[p.Count]); p.Count > 0 && size > x.maxSize(sizeGoal) {
				break
			}
			p.Messages = append(p.Messages, t.messages[p.Count])
		}
		t.messages = t.messages[p.Count:]
	} else if len(t.sessions) > 0 {
		p.Added, p.Count = x.encode(t.sessions)
		t.sessions = t.sessions[p.Count:]
	}
	p.Last = len(t.messages) == 0 && len(t.sessions) == 0
	return p
}
