package quota

import (
	"crypto/sha256"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Charges are the messages of a bucket that projects are charged for: entries, and
// delete markers of removed entries, that the project's administrators have written
// last. Every replica counts them from the bucket: each message names the project that
// is charged. The methods are safe for concurrent use.
type Charges struct {
	mu           sync.Mutex
	charges      map[Key]Charge
	used         map[uuid.UUID]int64 // bytes, by project
	nextExpiry   int64               // no charge expires before; unix seconds
	cleanupAbove int                 // number of charges above which expired ones are removed
}

// Key identifies an entry: the beginning of the SHA-256 of the entry's key.
type Key [16]byte

// KeyOf returns the Key of an entry.
func KeyOf(entry string) (k Key) {
	sum := sha256.Sum256([]byte(entry))
	copy(k[:], sum[:])
	return k
}

// Charge is one message of the bucket.
type Charge struct {
	Project uuid.UUID // Nil: nobody is charged
	Size    uint32    // bytes
	Expires int64     // unix seconds; 0: the charge stays until the entry is written again
}

const minCleanup = 4096

// NewCharges returns Charges without any charge.
func NewCharges() *Charges {
	return &Charges{charges: map[Key]Charge{}, used: map[uuid.UUID]int64{}, cleanupAbove: minCleanup, nextExpiry: math.MaxInt64}
}

// Record replaces the charge for an entry with that of a new message.
func (c *Charges) Record(entry string, charge Charge, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.charges) == 0 && charge.Project == uuid.Nil {
		return // the usual case
	}
	k := KeyOf(entry)
	c.remove(k)
	if charge.Project != uuid.Nil {
		c.add(k, charge)
	}
	if len(c.charges) > c.cleanupAbove {
		c.expire(now)
		c.cleanupAbove = max(minCleanup, 2*len(c.charges))
	}
}

// Restore adds a charge that All has returned.
func (c *Charges) Restore(k Key, charge Charge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, charge)
}

// All returns a copy of all charges.
func (c *Charges) All() map[Key]Charge {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.charges)
}

// Exceeds returns the number of bytes that a project would be charged for after a
// change of entries, whose messages have this size, and whether that is above limit.
func (c *Charges) Exceeds(project uuid.UUID, entries []string, size, limit int64, now time.Time) (after int64, exceeds bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if after = c.after(project, entries, size); after > limit {
		c.expire(now)
		after = c.after(project, entries, size)
	}
	return after, after > limit
}

func (c *Charges) after(project uuid.UUID, entries []string, size int64) int64 {
	after := c.used[project] + size
	for _, entry := range entries {
		if charge := c.charges[KeyOf(entry)]; charge.Project == project {
			after -= int64(charge.Size)
		}
	}
	return after
}

func (c *Charges) add(k Key, charge Charge) {
	c.charges[k] = charge
	c.used[charge.Project] += int64(charge.Size)
	if charge.Expires != 0 {
		c.nextExpiry = min(c.nextExpiry, charge.Expires)
	}
}

func (c *Charges) remove(k Key) {
	charge, ok := c.charges[k]
	if !ok {
		return
	}
	delete(c.charges, k)
	if c.used[charge.Project] -= int64(charge.Size); c.used[charge.Project] <= 0 {
		delete(c.used, charge.Project)
	}
}

// expire removes the charges for messages that the server has removed.
func (c *Charges) expire(now time.Time) {
	if now.Unix() < c.nextExpiry {
		return
	}
	c.nextExpiry = math.MaxInt64
	for k, charge := range c.charges {
		switch {
		case charge.Expires == 0:
		case charge.Expires <= now.Unix():
			c.remove(k)
		default:
			c.nextExpiry = min(c.nextExpiry, charge.Expires)
		}
	}
}
