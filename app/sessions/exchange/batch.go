package exchange

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"usher/app/sessions"
	"usher/callout/session"
)

const (
	batchDelay   = 10 * time.Millisecond // from the first change until it is sent
	maxQueued    = 1 << 17               // changes
	maxKept      = 8 << 20               // bytes of sent messages, for those who missed one
	sizeGoal     = 64 << 10              // of a message
	sizeReserve  = 1 << 10               // of a message, besides its sessions
	sessionsGoal = 256                   // of a message
	removedGoal  = 4096
)

// change is a session that was granted, or a connection that has ended.
type change struct {
	granted *session.Session // nil: id has ended
	known   bool             // it was granted earlier
	id      session.ID
	why     sessions.Ending
}

// outgoing are the changes of this replica.
type outgoing struct {
	queueMu sync.Mutex
	queue   []change
	lost    bool // the queue was full

	mu       sync.Mutex // held while a message is numbered and sent, so that they are sent in order
	sequence uint64     // of the last message
	kept     []keptMessage
	keptSize int
}

type keptMessage struct {
	sequence uint64
	data     []byte
}

func (o *outgoing) add(c change, soon chan struct{}) {
	o.queueMu.Lock()
	if len(o.queue) < maxQueued {
		o.queue = append(o.queue, c)
	} else {
		o.lost = true
	}
	first := len(o.queue) == 1
	o.queueMu.Unlock()
	if first {
		wake(soon)
	}
}

func (o *outgoing) take() (queue []change, lost bool) {
	o.queueMu.Lock()
	defer o.queueMu.Unlock()
	queue, lost, o.queue, o.lost = o.queue, o.lost, nil, false
	return queue, lost
}

// keep numbers a message and keeps it. The caller holds mu.
func (o *outgoing) keep(data []byte) {
	o.kept = append(o.kept, keptMessage{o.sequence, data})
	o.keptSize += len(data)
	drop := 0
	for ; o.keptSize > maxKept; drop++ {
		o.keptSize -= len(o.kept[drop].data)
	}
	if drop > 0 {
		o.kept = append([]keptMessage(nil), o.kept[drop:]...)
	}
}

// after returns the messages after a sequence; false: not all of them are kept. The caller
// holds mu.
func (o *outgoing) after(sequence uint64) (all [][]byte, ok bool) {
	for _, k := range o.kept {
		if k.sequence > sequence {
			all = append(all, k.data)
		}
	}
	return all, sequence <= o.sequence && uint64(len(all)) == o.sequence-sequence
}

// sendBatches sends the changes, those of a short time in one message.
func (x *Exchange) sendBatches(ctx context.Context) {
	for {
		select {
		case <-x.flushNow:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(batchDelay):
		case <-ctx.Done():
			return // Stop flushes
		}
		x.flush()
	}
}

// flush sends the changes that wait.
func (x *Exchange) flush() {
	queue, lost := x.outgoing.take()
	if lost {
		x.skip()
	}
	last := make(map[session.ID]int, len(queue)) // of several changes of a connection
	for i := range queue {
		if s := queue[i].granted; s != nil {
			queue[i].id = s.ID
		}
		// Workers may tell of two grants of one connection in another order than they made them.
		if at, ok := last[queue[i].id]; ok && isBefore(&queue[i], &queue[at]) {
			continue
		}
		last[queue[i].id] = i
	}
	var granted, known []*session.Session
	var ended []change
	for i := range queue {
		switch c := &queue[i]; {
		case last[c.id] != i:
		case c.granted == nil:
			ended = append(ended, *c)
		case c.known:
			known = append(known, c.granted)
		default:
			granted = append(granted, c.granted)
		}
	}
	x.sendSessions(granted, false)
	x.sendSessions(known, true)
	for len(ended) > 0 {
		n := min(removedGoal, len(ended))
		x.send(&changes{Removed: grouped(ended[:n])})
		ended = ended[n:]
	}
}

func isBefore(a, b *change) bool {
	return a.granted != nil && b.granted != nil && a.granted.Decided.Before(b.granted.Decided)
}

func grouped(ended []change) (groups []removed) {
	type group struct {
		server string
		why    sessions.Ending
	}
	index := map[group]int{}
	for i := range ended {
		g := group{ended[i].id.Server, ended[i].why}
		at, ok := index[g]
		if !ok {
			at = len(groups)
			index[g] = at
			groups = append(groups, removed{Server: g.server, Why: string(g.why)})
		}
		groups[at].Clients = append(groups[at].Clients, ended[i].id.Client)
	}
	return groups
}

func (x *Exchange) sendSessions(all []*session.Session, known bool) {
	for len(all) > 0 {
		data, n := x.encode(all)
		if data != nil {
			x.send(&changes{Added: data, Known: known})
		}
		all = all[n:]
	}
}

// encode encodes the first n of some sessions, as many as fit into a message. If not even
// one fits, it returns nil and 1.
func (x *Exchange) encode(all []*session.Session) (data []byte, n int) {
	limit := x.maxSize(sizeGoal)
	for n = min(len(all), sessionsGoal); ; n /= 2 {
		if n == 1 {
			limit = x.maxSize(math.MaxInt32)
		}
		batches, err := sessions.Encode(all[:n], limit)
		switch {
		case err == nil && len(batches) == 1:
			return batches[0], n
		case n == 1:
			x.oversized.Add(1)
			return nil, 1
		}
	}
}

// maxSize returns how many bytes of sessions a message may have: a goal, or what the server
// takes.
func (x *Exchange) maxSize(goal int) int {
	if limit := int(x.nc.MaxPayload()); limit > 0 {
		goal = min(goal, limit)
	}
	return goal - sizeReserve
}

// send numbers changes, sends them and keeps them for those who miss them.
func (x *Exchange) send(c *changes) {
	o := &x.outgoing
	o.mu.Lock()
	defer o.mu.Unlock()
	body, err := cbor.Marshal(c)
	var data []byte
	if err == nil {
		data, err = cbor.Marshal(&message{From: x.cfg.Instance, Sequence: o.sequence + 1, Changes: body})
	}
	if err != nil {
		x.warn("cannot share own ones", err)
		return
	}
	o.sequence++
	o.keep(data)
	x.publish(data)
}

// skip leaves out a number, so that the others ask for all sessions.
func (x *Exchange) skip() {
	o := &x.outgoing
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sequence++
	o.kept, o.keptSize = nil, 0
}
