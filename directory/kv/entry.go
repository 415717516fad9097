package kv

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
)

// errHasTTL: the entry would expire, and no delete marker would tell the replicas.
var errHasTTL = errors.New("the entry has a TTL and would expire without notice")

// name returns the key of the entry to which a message belongs.
func (f *follower) name(m jetstream.Msg) string {
	return strings.TrimPrefix(m.Subject(), subjectOf(f.s.cfg.Bucket, ""))
}

// entry decodes one message. It reports a faulty entry, and returns it with the value
// Unreadable, which grants nothing. ok is false if the message's key is not that of an
// entry.
func (f *follower) entry(m jetstream.Msg) (e directory.Entry, ok bool) {
	faults := &f.s.faults
	name := f.name(m)
	key, err := directory.ParseEntryKey(name)
	if err != nil {
		if !isRemoval(m) {
			faults.add(name, f.revision, err.Error())
		} else {
			faults.remove(name)
		}
		return directory.Entry{}, false
	}
	e = directory.Entry{Key: key, Revision: f.revision}
	if isRemoval(m) {
		faults.remove(name)
		return e, true
	}
	if m.Headers().Get(headerTTL) != "" {
		err = errHasTTL
	} else if e.Value, err = f.decoder.Decode(key.Kind, m.Data()); err == nil {
		err = e.Check()
	}
	if err != nil {
		faults.add(name, f.revision, err.Error())
		e.Value = &directory.Unreadable{}
		return e, true
	}
	faults.remove(name)
	return e, true
}

// isRemoval reports whether a message removes its entry.
func isRemoval(m jetstream.Msg) bool {
	op := m.Headers().Get(headerOperation)
	return op == "DEL" || op == "PURGE" || m.Headers().Get(nats.MsgRollup) != ""
}
