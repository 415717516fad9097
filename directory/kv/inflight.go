package kv

import "sync"

// inFlight are the changes that this store has sent and whose outcome is not known yet.
// The bucket tells the outcome: a change is stored directly after the revision that it
// was checked against, or never.
type inFlight struct {
	mu       sync.Mutex
	changes  map[string]*sent
	received uint64 // the last message from the bucket that is followed now
}

// sent is a change that was sent.
type sent struct {
	base, n uint64 // if it is committed, it has the revisions from base+1 to base+n
	outcome outcome
	decided func() // called when the outcome is known
	resend  func() // called when no reply will arrive
}

type outcome int

const (
	outcomeUnknown outcome = iota
	outcomeCommitted
	outcomeConflict // another change has its revision
)

// restart records that the bucket, which may be another one, is followed from here.
func (f *inFlight) restart(received uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.received = received
}

// add adds a change that was not sent yet. If a message with its revision has arrived
// before, that is another change, and will not arrive again.
func (f *inFlight) add(id string, c *sent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changes == nil {
		f.changes = map[string]*sent{}
	}
	f.changes[id] = c
	if f.received > c.base {
		c.outcome = outcomeConflict
	}
}

func (f *inFlight) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.changes, id)
}

func (f *inFlight) outcome(id string) outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes[id].outcome
}

// onReplyLost sets the function to call when the reply to a change is lost.
func (f *inFlight) onReplyLost(id string, resend func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes[id].resend = resend
}

// repliesLost records that replies which were on their way will not arrive.
func (f *inFlight) repliesLost() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.changes {
		if c.resend != nil {
			c.resend()
		}
	}
}

// messageReceived records that the message at revision belongs to a change; empty: it
// names none.
func (f *inFlight) messageReceived(revision uint64, change string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.received = revision
	for id, c := range f.changes {
		if c.outcome != outcomeUnknown || revision <= c.base || revision > c.base+c.n {
			continue
		}
		if c.outcome = outcomeConflict; id == change {
			c.outcome = outcomeCommitted
		}
		c.decided()
	}
}
