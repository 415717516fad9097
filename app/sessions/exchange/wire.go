package exchange

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"usher/app/sessions"
	"usher/callout/session"
)

// The subjects. Messages whose meaning an older usher would get wrong need another version.
const (
	subjects        = "usher.sessions.v1."
	subjectAll      = subjects + "all"    // changes and heartbeats, to every replica
	subjectWho      = subjects + "who"    // asks any complete replica for its name
	subjectTo       = subjects + "to."    // and an instance: requests to one replica
	subjectAnswers  = subjects + "answer" // prefix of the inboxes
	queueWho        = "complete"
	protocolVersion = 1
)

// message is what a replica tells the others. Readers ignore fields that they do not know.
type message struct {
	From string `cbor:"1,keyasint"`

	// Sequence is the number of the last message with changes of From: this one, if it has
	// changes. The first one is 1.
	Sequence uint64 `cbor:"2,keyasint"`

	// Needs is the version that a reader must know to understand Changes. One that is older
	// leaves the changes out and learns the sessions from CONNZ.
	Needs int `cbor:"3,keyasint,omitempty"`

	Beat    *beat           `cbor:"4,keyasint,omitempty"`
	Changes cbor.RawMessage `cbor:"5,keyasint,omitempty"` // changes, encoded
}

// beat is a heartbeat.
type beat struct {
	Revision   uint64 `cbor:"1,keyasint"`
	Directory  []byte `cbor:"2,keyasint,omitempty"`
	Identities []byte `cbor:"3,keyasint,omitempty"`
	Sessions   int    `cbor:"4,keyasint"`           // that it knows
	Complete   bool   `cbor:"5,keyasint,omitempty"` // it has the sessions of the others
	Leaving    bool   `cbor:"6,keyasint,omitempty"` // it stops
}

func (b *beat) state() State {
	s := State{Revision: b.Revision}
	copy(s.Directory[:], b.Directory)
	copy(s.Identities[:], b.Identities)
	return s
}

// changes are sessions that were granted and connections that have ended.
type changes struct {
	Added   []byte    `cbor:"1,keyasint,omitempty"` // sessions.Encode
	Removed []removed `cbor:"2,keyasint,omitempty"`

	// Known: the sessions were granted earlier. They replace only what was granted before
	// them.
	Known bool `cbor:"3,keyasint,omitempty"`
}

// removed are connections to one server that have ended.
type removed struct {
	Server  string   `cbor:"1,keyasint"`
	Clients []uint64 `cbor:"2,keyasint"`
	Why     string   `cbor:"3,keyasint"`
}

// request asks one replica for a page of what the asker does not have. The first page begins
// a transfer. A page that was lost can be asked for again until the next one is.
type request struct {
	From     string `cbor:"1,keyasint"`
	Transfer uint64 `cbor:"2,keyasint"` // chosen by From
	Page     int    `cbor:"3,keyasint"`

	// After: the messages with changes after this one are enough. Nil: all sessions.
	After *uint64 `cbor:"4,keyasint,omitempty"`
}

// page is the answer to a request.
type page struct {
	Number int  `cbor:"1,keyasint"`
	Last   bool `cbor:"2,keyasint,omitempty"`
	Busy   bool `cbor:"3,keyasint,omitempty"` // nothing else is set: ask later, or another one

	Added    []byte   `cbor:"4,keyasint,omitempty"` // sessions.Encode
	Messages [][]byte `cbor:"5,keyasint,omitempty"` // in the order of their sequence

	Count int `cbor:"6,keyasint"` // of sessions or messages of this page
	Total int `cbor:"7,keyasint"` // of all pages

	// Seen has the sequence of the last message of each replica that is in what is sent.
	Seen map[string]uint64 `cbor:"8,keyasint,omitempty"`
}

var errMalformed = errors.New("malformed message")

// Messages come from other replicas. The limits are for a damaged one.
func decoder() (cbor.DecMode, error) {
	return cbor.DecOptions{
		MaxNestedLevels: 8, MaxArrayElements: 1 << 17, MaxMapPairs: 1 << 10,
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
	}.DecMode()
}

func decode(mode cbor.DecMode, data []byte, into any) error {
	if err := mode.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return nil
}

// decodeMessage decodes what was sent to subjectAll.
func decodeMessage(mode cbor.DecMode, data []byte) (*message, error) {
	var m message
	if err := decode(mode, data, &m); err != nil {
		return nil, err
	}
	switch {
	case !validInstance(m.From):
		return nil, fmt.Errorf("%w: no sender", errMalformed)
	case m.hasChanges() && m.Sequence == 0:
		return nil, fmt.Errorf("%w: changes without a number", errMalformed)
	}
	return &m, nil
}

func (m *message) hasChanges() bool { return len(m.Changes) > 0 }

// decodeChanges returns the changes of a message; nil: it has none that this version
// understands.
func (m *message) decodeChanges(mode cbor.DecMode) (*changes, error) {
	if !m.hasChanges() || m.Needs > protocolVersion {
		return nil, nil //nolint:nilnil // as documented
	}
	var c changes
	if err := decode(mode, m.Changes, &c); err != nil {
		return nil, err
	}
	return &c, nil
}

// endings yields the connections that have ended.
func (c *changes) endings(yield func(session.ID, sessions.Ending) bool) {
	for i := range c.Removed {
		for _, client := range c.Removed[i].Clients {
			if !yield(session.ID{Server: c.Removed[i].Server, Client: client}, sessions.Ending(c.Removed[i].Why)) {
				return
			}
		}
	}
}
