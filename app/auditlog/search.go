package auditlog

import (
	"context"
	"fmt"
	"time"

	"usher/internal/audit/chain"
)

// once drops lines that are there twice: those that JetStream has stored twice.
type once map[string]struct{}

// onceMax bounds the ids in memory. A line that is there twice is there soon after itself.
const onceMax = 100_000

func (o *once) seen(line []byte) bool {
	link, ok := chain.Read(line)
	if !ok {
		return false
	}
	id := link.ID()
	if _, ok := (*o)[id]; ok {
		return true
	}
	if *o == nil || len(*o) >= onceMax {
		*o = once{}
	}
	(*o)[id] = struct{}{}
	return false
}

// Search calls each with every event that the filter selects, the oldest first.
func Search(ctx context.Context, s Source, f *Filter, each func(*Event) error) error {
	return s.Read(ctx, f.Since, selected(s, f, each))
}

// Follow is Search among the last lines, and then among every new one, until ctx ends.
func Follow(ctx context.Context, s Source, f *Filter, last int, each func(*Event) error) error {
	return s.Follow(ctx, last, selected(s, f, each))
}

func selected(s Source, f *Filter, each func(*Event) error) func([]byte, chain.Place) error {
	var o once
	return func(line []byte, at chain.Place) error {
		e, ok := Parse(line, at)
		if !ok || !f.Match(e) || s.Shared() && o.seen(line) {
			return nil
		}
		return each(e)
	}
}

// settled is the age at which a line has to be signed: checkpoints are made every minute.
const settled = 5 * time.Minute

// Verify checks the chain of everything that is there. keys are the public keys that count.
// closed: every writer has stopped.
func Verify(ctx context.Context, s Source, keys []string, closed bool, now time.Time) (*chain.Report, error) {
	c := &chain.Checker{Keys: keys, Shared: s.Shared(), Settled: now.Add(-settled)}
	var last uint64
	var gaps []chain.Finding
	err := s.Read(ctx, time.Time{}, func(line []byte, at chain.Place) error {
		// Retention removes from the beginning alone.
		if s.Shared() && last > 0 && at.N != last+1 {
			gaps = append(gaps, chain.Finding{
				Fault: chain.Missing, Problem: true, At: at.String(),
				Text: fmt.Sprintf("messages %d to %d of the stream were removed", last+1, at.N-1),
			})
		}
		last = at.N
		c.Add(line, at)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r := c.Done(closed)
	r.Findings = append(r.Findings, gaps...)
	r.Problems += len(gaps)
	return r, nil
}
