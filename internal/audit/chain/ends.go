package chain

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// What stands where a writer begins or ends is what somebody without the key can forge: an end
// has no later line that has its hash. There, only signatures count.

func (c *Checker) unreadable(line []byte, hash Hash, at Place) {
	if !c.chained {
		c.bare++
		c.last = hash
		return
	}
	i := c.add(nil, &Finding{Fault: Unreadable, Problem: true, At: at.String(), Text: "no writer of the chain has written this line: it was changed or inserted, or a crash has torn it"})
	if !json.Valid(line) { // one that is whole is not torn
		c.torn[hash] = i
	}
}

// begin checks the first line of a writer that is there.
func (c *Checker) begin(r *run, l *Link, at Place) {
	switch {
	case l.Seq == 1 && r.first:
		if l.Prev != (Hash{}).String() {
			c.add(r, &Finding{Fault: Cut, At: at.String(), Seq: 1, Text: "the line before the first one is not there: retention or rotation has removed it, or somebody else"})
		}
	case l.Seq == 1:
		c.follows(r, l, at)
	case r.first, started(l.Writer).Before(c.began):
		c.add(r, &Finding{Fault: Cut, At: at.String(), Seq: 1, To: l.Seq - 1, Text: "the beginning is not there: retention or rotation has removed it, or somebody else"})
	default:
		c.add(r, &Finding{Fault: Missing, Problem: true, At: at.String(), Seq: 1, To: l.Seq - 1, Text: "lines are missing: the writer started after the first line that is there"})
	}
}

// follows checks that the first line of a writer follows a line that is there.
func (c *Checker) follows(r *run, l *Link, at Place) {
	before := l.before()
	if before == (Hash{}) {
		if at.N > 1 && !c.Shared {
			c.add(r, &Finding{Fault: Changed, Problem: true, At: at.String(), Seq: 1, Text: "the writer began with an empty file, and there are lines before it"})
		}
		return
	}
	_, recent := c.recent[before]
	if _, torn := c.torn[before]; !recent && !torn {
		c.add(r, &Finding{Fault: Missing, Problem: true, At: at.String(), Seq: 1, Text: "the line before the first one of this writer is not the one that it has seen: lines before it are missing or changed"})
	}
}

// first checks line 1 of a writer, which is a checkpoint. If it is signed, it vouches for the
// line that it has seen as the last one.
func (c *Checker) first(r *run, l *Link, signed bool, at Place) {
	if l.Kind != KindCheckpoint {
		c.add(r, &Finding{Fault: Unsigned, Problem: true, At: at.String(), Seq: 1, Text: "somebody else has written this line: the first one of a writer is a checkpoint"})
	}
	before := l.before()
	if !signed || before == (Hash{}) {
		return
	}
	c.old = c.old || before == c.last
	if i, ok := c.torn[before]; ok {
		if i >= 0 {
			f := &c.report.Findings[i]
			f.Problem, f.Text = false, "a crash has torn this line; the next writer has seen it so"
		}
		c.report.Problems--
		delete(c.torn, before)
	}
	for _, other := range c.runs {
		other.followed = other.followed || other.recent[other.To].hash == l.Prev
	}
}

// before returns the hash of the line before; zero: there is none.
func (l *Link) before() (h Hash) {
	_, _ = hex.Decode(h[:], []byte(l.Prev)) // one that is no hash is that of no line
	return h
}

// skew is how far the time of an unsigned line may be ahead of Settled.
const skew = 15 * time.Minute

// overdue reports whether the unsigned lines at the end of a run should be signed. Their times
// are not signed either: one in the future is no excuse.
func (c *Checker) overdue(r *run) bool {
	switch {
	case !c.Shared && r.Signatures == 0 && r.From > 1 && !r.first:
		return true // a beginning that is said to be cut off, and no signature at all
	case c.Settled.IsZero() || r.followed:
		return false
	default:
		return r.oldest.Before(c.Settled) || r.oldest.After(c.Settled.Add(skew))
	}
}

// Done returns the result. closed: every writer has ended, so that an open end is a problem.
func (c *Checker) Done(closed bool) *Report {
	switch {
	case c.bare == 0:
	case !c.chained:
		c.add(nil, &Finding{Fault: Unreadable, Problem: true, Text: "no line is chained"})
	case c.old && !c.Shared: // an older usher had no stream
		c.add(nil, &Finding{Fault: Unsigned, Text: fmt.Sprintf("%d lines at the beginning are not chained: an older usher has written them", c.bare)})
	default:
		c.add(nil, &Finding{Fault: Unsigned, Problem: true, Text: fmt.Sprintf("%d lines at the beginning are not chained, and no signed line has seen them: somebody else has written them, or they are of another file, of an older usher", c.bare)})
	}
	for _, id := range slices.Sorted(maps.Keys(c.runs)) {
		r := c.runs[id]
		for _, m := range r.missing {
			c.put(&Finding{Fault: Missing, Problem: true, At: m.at.String(), Writer: id, LastGood: m.good, Seq: m.from, To: m.to, Text: "lines are missing before this place"})
		}
		if r.unsigned.from > 0 {
			c.add(r, &Finding{Fault: Unsigned, Problem: closed || c.overdue(r), At: r.since.String(), Seq: r.unsigned.from, To: r.unsigned.to, Text: "no signature follows these lines; it should within some minutes, or when the writer stops"})
		}
		if !r.Closed && !r.followed {
			c.add(r, &Finding{Fault: Open, Problem: closed, At: r.recent[r.To].at.orEmpty(), Seq: r.To, Text: "the writer has not ended here: it still runs, or was killed, or the end is cut off"})
		}
		c.report.Runs = append(c.report.Runs, r.Run)
	}
	return &c.report
}

func (p Place) orEmpty() string {
	if p.N == 0 {
		return ""
	}
	return p.String()
}
