package kv

import (
	"crypto/sha256"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// charges are what projects take of the bucket: the entries and the marks of
// removed ones that their administrators have written last. Every replica counts
// them from the bucket, where each message says whom it is charged to.
type charges struct {
	mu    sync.Mutex
	of    map[chargeKey]charge
	used  map[uuid.UUID]int64 // bytes, by project
	tidy  int                 // how many there may be until those that have ended are looked for
	first int64               // before this time none ends
}

// chargeKey is the beginning of the SHA-256 of an entry's key.
type chargeKey [16]byte

func chargeKeyOf(entry string) (k chargeKey) {
	sum := sha256.Sum256([]byte(entry))
	copy(k[:], sum[:])
	return k
}

// charge is one message of the bucket.
type charge struct {
	project uuid.UUID
	size    uint32
	ends    int64 // unix seconds; 0: it stays until something else is written
}

const tidyFrom = 4096

func newCharges() *charges {
	return &charges{of: map[chargeKey]charge{}, used: map[uuid.UUID]int64{}, tidy: tidyFrom, first: math.MaxInt64}
}

// wrote notes a message in place of what was there of the entry. The project is
// Nil if nobody is charged.
func (c *charges) wrote(entry string, one charge, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.of) == 0 && one.project == uuid.Nil {
		return // as nearly always
	}
	k := chargeKeyOf(entry)
	c.drop(k)
	if one.project != uuid.Nil {
		c.put(k, one)
	}
	if len(c.of) > c.tidy {
		c.expire(now)
		c.tidy = max(tidyFrom, 2*len(c.of))
	}
}

func (c *charges) put(k chargeKey, one charge) {
	c.of[k] = one
	c.used[one.project] += int64(one.size)
	if one.ends != 0 {
		c.first = min(c.first, one.ends)
	}
}

func (c *charges) drop(k chargeKey) {
	one, ok := c.of[k]
	if !ok {
		return
	}
	delete(c.of, k)
	if c.used[one.project] -= int64(one.size); c.used[one.project] <= 0 {
		delete(c.used, one.project)
	}
}

// expire drops what the server has dropped.
func (c *charges) expire(now time.Time) {
	if now.Unix() < c.first {
		return
	}
	c.first = math.MaxInt64
	for k, one := range c.of {
		switch {
		case one.ends == 0:
		case one.ends <= now.Unix():
			c.drop(k)
		default:
			c.first = min(c.first, one.ends)
		}
	}
}

// takes returns how much a project would take of the bucket after a change, and
// whether that is more than most.
func (c *charges) takes(project uuid.UUID, entries []string, size, most int64, now time.Time) (after int64, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if after = c.with(project, entries, size); after > most {
		c.expire(now)
		after = c.with(project, entries, size)
	}
	return after, after > most
}

func (c *charges) with(project uuid.UUID, entries []string, size int64) int64 {
	after := c.used[project] + size
	for _, entry := range entries {
		if one := c.of[chargeKeyOf(entry)]; one.project == project {
			after -= int64(one.size)
		}
	}
	return after
}

// each yields all of them as they are in one moment.
func (c *charges) each() map[chargeKey]charge {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[chargeKey]charge, len(c.of))
	for k, one := range c.of {
		all[k] = one
	}
	return all
}

// sizeOf is what a message takes of a bucket that is kept in files, as nats-server
// counts it.
func sizeOf(subject string, header nats.Header, data []byte) int64 {
	const record, headerLength, version, line = 30, 4, len("NATS/1.0\r\n\r\n"), len(": \r\n")
	n := record + len(subject) + len(data)
	if len(header) > 0 {
		n += headerLength + version
	}
	for name, values := range header {
		for _, value := range values {
			n += len(name) + len(value) + line
		}
	}
	return int64(n)
}

// chargeOf reads from a message whom it is charged to.
func chargeOf(header nats.Header, size int64, written time.Time) (one charge) {
	project, err := uuid.Parse(header.Get(headerProject))
	if err != nil {
		return one
	}
	one = charge{project: project, size: uint32(min(size, math.MaxUint32))} //nolint:gosec // bounded
	if life, err := time.ParseDuration(header.Get(headerLife)); err == nil {
		one.ends = written.Add(life).Unix()
	}
	return one
}
