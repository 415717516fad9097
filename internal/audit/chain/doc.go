// Package chain makes lines of the audit depend on each other, and finds what is missing,
// changed or reordered among them.
//
// Each process that writes is a writer with an id of its own. It ends each line with its id,
// the number of the line, and the SHA-256 hash of its previous line. Now and then it adds a
// checkpoint: a line that it signs with an nkey. Whoever changes a line has to change every
// later one, and cannot sign them again.
//
// It promises that a line is chained only if it is written, and that checking needs no
// secret. It does not find that the end is cut off directly behind a checkpoint, unless a
// later writer has seen that end.
package chain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Hash is the SHA-256 of a line without its line end.
type Hash [sha256.Size]byte

// String returns the hash as 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Of returns the hash of a line without its line end.
func Of(line []byte) Hash { return sha256.Sum256(line) }

// idRandom is the number of random bytes of an id.
const idRandom = 6

// NewID returns the id of a writer: when it started, and something random.
func NewID(now time.Time, random io.Reader) (string, error) {
	b := make([]byte, idRandom)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", err
	}
	return now.UTC().Format(idTime) + "-" + hex.EncodeToString(b), nil
}

const idTime = "20060102T150405.000Z"

// started returns when the writer with an id was started; zero: the id does not say.
func started(id string) time.Time {
	if len(id) < len(idTime) {
		return time.Time{}
	}
	t, err := time.Parse(idTime, id[:len(idTime)])
	if err != nil {
		return time.Time{}
	}
	return t
}

// KindCheckpoint is the kind of the lines that are signed.
const KindCheckpoint = "checkpoint"

// Reason is why a checkpoint was made.
type Reason string

// The reasons.
const (
	Start    Reason = "start"    // the first line of the writer
	Interval Reason = "interval" // enough lines or time since the last one
	Close    Reason = "close"    // the last line of the writer
)

// Link is what a line says about its place in the chain.
type Link struct {
	Kind   string    `json:"kind"`
	Time   time.Time `json:"time"`
	Writer string    `json:"writer"`
	Seq    uint64    `json:"seq"`
	Prev   string    `json:"prev"`

	Reason Reason `json:"reason"` // of a checkpoint, like those below
	Lost   uint64 `json:"lost"`
	Key    string `json:"key"`
	Sig    string `json:"sig"`
}

// Read returns the place of a line in the chain. ok is false for a line that has none.
func Read(line []byte) (l Link, ok bool) {
	if err := json.Unmarshal(line, &l); err != nil || l.Writer == "" || l.Seq == 0 || len(l.Prev) != hex.EncodedLen(sha256.Size) {
		return l, false
	}
	return l, true
}

// ID returns the id of the line: no other line has it.
func (l *Link) ID() string { return fmt.Sprintf("%s-%d", l.Writer, l.Seq) }
