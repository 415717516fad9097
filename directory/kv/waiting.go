package kv

import "sync"

// waiting are the changes of this store of which nobody has said yet what became
// of them. The bucket says it: a change is made right behind the revision that
// it was checked against, or never.
type waiting struct {
	mu   sync.Mutex
	of   map[string]*pending
	last uint64 // the last message that came, of those that are followed now
}

// pending is a change that was sent.
type pending struct {
	at, n uint64 // it would be the entries from at+1 to at+n
	fate  fate
	known func() // called when its fate is
	again func() // called when no answer will come
}

type fate int

const (
	fateUnknown fate = iota
	fateMade
	fateLost // somebody else's came in its place
)

// follow notes that the bucket, which may be another one, is followed from here.
func (w *waiting) follow(at uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = at
}

// add begins to wait for what becomes of a change that was not sent yet. What has
// come in its place by now is somebody else's, and does not come again.
func (w *waiting) add(id string, p *pending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[string]*pending{}
	}
	w.of[id] = p
	if w.last > p.at {
		p.fate = fateLost
	}
}

func (w *waiting) remove(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.of, id)
}

func (w *waiting) fate(id string) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of[id].fate
}

// sending says how to hear that the answer to what is being sent is lost.
func (w *waiting) sending(id string, again func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of[id].again = again
}

// lost notes that answers on their way will not come.
func (w *waiting) lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.of {
		if p.again != nil {
			p.again()
		}
	}
}

// came notes that the message seq of the bucket is of this change.
func (w *waiting) came(seq uint64, change string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = seq
	for id, p := range w.of {
		if p.fate != fateUnknown || seq <= p.at || seq > p.at+p.n {
			continue
		}
		if p.fate = fateLost; id == change {
			p.fate = fateMade
		}
		p.known()
	}
}
