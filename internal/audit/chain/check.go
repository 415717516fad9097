package chain

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nkeys"
)

// Fault is what is wrong with a line, or with lines that are not there.
type Fault string

// The faults.
const (
	Missing    Fault = "missing"     // lines that were written are not there
	Changed    Fault = "changed"     // a line is not as it was written
	Reordered  Fault = "reordered"   // a line stands behind a later one
	Repeated   Fault = "repeated"    // a line is there twice
	Forged     Fault = "forged"      // the signature of a checkpoint does not fit
	UnknownKey Fault = "unknown_key" // a checkpoint is signed by a key that is not known
	Unsigned   Fault = "unsigned"    // no signature follows
	Unreadable Fault = "unreadable"  // a line that no writer of the chain has written whole
	Cut        Fault = "cut"         // the beginning is not there, as after retention
	Open       Fault = "open"        // the writer has not closed: it runs, was killed, or the end is cut off
	LostEvents Fault = "lost"        // the writer itself could not write some events
)

// Place is where a line is.
type Place struct {
	Source string // name of a file or of a stream
	N      uint64 // number of the line, or sequence of the stream; from 1
}

// String returns text such as "audit.log:7".
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.Source, p.N) }

// Signature is a checkpoint whose signature is good.
type Signature struct {
	At   string    `json:"at"`
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Key  string    `json:"key"`
}

// Finding is one fault, or one note if Problem is false.
type Finding struct {
	Fault    Fault      `json:"fault"`
	Problem  bool       `json:"problem"`
	At       string     `json:"at,omitempty"`
	Writer   string     `json:"writer,omitempty"`
	Seq      uint64     `json:"seq,omitempty"`
	To       uint64     `json:"to,omitempty"` // the last one of several
	Text     string     `json:"text"`
	LastGood *Signature `json:"last_good_signature,omitempty"`
}

// Run is what one writer has written.
type Run struct {
	Writer     string     `json:"writer"`
	From       uint64     `json:"from"`
	To         uint64     `json:"to"`
	Lines      uint64     `json:"lines"`
	Signatures int        `json:"signatures"`
	LastGood   *Signature `json:"last_good_signature,omitempty"`
	Closed     bool       `json:"closed"`
}

// Report is the result of a check.
type Report struct {
	Lines    uint64    `json:"lines"`
	Runs     []Run     `json:"writers"`
	Findings []Finding `json:"findings"`
	Problems int       `json:"problems"` // also those that Findings leaves out
}

// maxFindings bounds the findings of a report. A file that is no audit has one for each line.
const maxFindings = 1000

// memory is the number of lines whose hashes are kept to check their neighbors.
const memory = 8192

// Checker checks lines. Its zero value knows no key.
type Checker struct {
	Keys    []string  // public nkeys whose signatures count
	Shared  bool      // several writers share the source, which keeps lines of one writer in order only as a rule: a stream
	Settled time.Time // lines before it should be signed by now; zero: never

	report  Report
	runs    map[string]*run
	recent  map[Hash]struct{} // of all lines
	order   []Hash
	began   time.Time    // of the first line
	bare    uint64       // lines without a chain at the beginning
	last    Hash         // of the last one of them
	old     bool         // a signed line has seen that one
	torn    map[Hash]int // index of the finding about an unreadable line
	chained bool
}

type known struct {
	hash, prev string
	at         Place
	bad        bool // a finding is about it, or its neighbor is known to be changed
	signed     bool // it is a checkpoint with a good signature
}

type run struct {
	Run
	recent   map[uint64]known
	missing  []span
	unsigned span // lines after the last good signature
	since    Place
	oldest   time.Time // of the unsigned lines
	lost     uint64
	end      uint64 // the number of its signed last line; 0: there is none
	first    bool   // its first line is the first one of all
	followed bool   // the signed first line of a later writer has seen its last line
}

type span struct {
	from, to uint64
	at       Place      // of the line after them
	good     *Signature // the last one before them
}

// Add checks the next line, without its line end.
func (c *Checker) Add(line []byte, at Place) {
	if c.runs == nil {
		c.runs, c.recent, c.torn = map[string]*run{}, map[Hash]struct{}{}, map[Hash]int{}
	}
	c.report.Lines++
	hash := Of(line)
	defer c.remember(hash)
	l, ok := Read(line)
	if c.began.IsZero() {
		c.began = l.Time
	}
	if !ok {
		c.unreadable(line, hash, at)
		return
	}
	c.chained = true
	r := c.runs[l.Writer]
	if r == nil {
		r = &run{Run: Run{Writer: l.Writer, From: l.Seq}, recent: map[uint64]known{}, first: c.report.Lines == 1}
		c.runs[l.Writer] = r
		c.begin(r, &l, at)
	} else if !c.place(r, &l, hash, at) {
		return
	}
	r.Lines++
	if r.To < l.Seq {
		r.To, r.followed = l.Seq, false // nobody has seen this line
	}
	if r.end > 0 && l.Seq > r.end {
		c.add(r, &Finding{Fault: Changed, Problem: true, At: at.String(), Seq: l.Seq, Text: fmt.Sprintf("somebody else has written this line: the writer has ended with line %d", r.end)})
	}
	k := known{hash: hash.String(), prev: l.Prev, at: at}
	if l.Kind == KindCheckpoint {
		c.checkpoint(r, &l, line, &k)
	}
	if l.Seq == 1 {
		c.first(r, &l, k.signed, at)
	}
	r.recent[l.Seq] = k
	c.neighbors(r, l.Seq)
	delete(r.recent, l.Seq-memory)
	if !k.signed {
		r.unsign(l.Seq, l.Time, at)
	}
}

func (c *Checker) remember(h Hash) {
	c.recent[h] = struct{}{}
	c.order = append(c.order, h)
	if len(c.order) > memory {
		delete(c.recent, c.order[0])
		c.order = c.order[1:]
	}
}

func (c *Checker) add(r *run, f *Finding) int {
	if r != nil {
		f.Writer, f.LastGood = r.Writer, r.LastGood
	}
	return c.put(f)
}

// put returns the index of the finding; negative: there are too many.
func (c *Checker) put(f *Finding) int {
	if f.Problem {
		c.report.Problems++
	}
	if len(c.report.Findings) >= maxFindings {
		return -1
	}
	c.report.Findings = append(c.report.Findings, *f)
	return len(c.report.Findings) - 1
}

// place checks the number of a line. It reports false for one that is there twice.
func (c *Checker) place(r *run, l *Link, hash Hash, at Place) bool {
	switch {
	case l.Seq == r.To+1:
	case l.Seq > r.To:
		r.missing = append(r.missing, span{from: r.To + 1, to: l.Seq - 1, at: at, good: r.LastGood})
	default:
		i := slices.IndexFunc(r.missing, func(m span) bool { return m.from <= l.Seq && l.Seq <= m.to })
		before, seen := r.recent[l.Seq]
		switch {
		case i >= 0:
			m := r.missing[i]
			r.missing = slices.Delete(r.missing, i, i+1)
			for _, part := range []span{{m.from, l.Seq - 1, m.at, m.good}, {l.Seq + 1, m.to, m.at, m.good}} {
				if part.from <= part.to {
					r.missing = append(r.missing, part)
				}
			}
			c.add(r, &Finding{Fault: Reordered, Problem: !c.Shared || l.Seq+memory <= r.To, At: at.String(), Seq: l.Seq, Text: fmt.Sprintf("stands behind line %d of the writer", r.To)})
		case seen && before.hash == hash.String():
			c.add(r, &Finding{Fault: Repeated, Problem: !c.Shared, At: at.String(), Seq: l.Seq, Text: "is there again, as at " + before.at.String()})
			return false
		default:
			c.add(r, &Finding{Fault: Changed, Problem: true, At: at.String(), Seq: l.Seq, Text: "a line with this number is there already"})
			return false
		}
	}
	return true
}

// neighbors compares a line with the ones before and after it.
func (c *Checker) neighbors(r *run, seq uint64) {
	for _, n := range []uint64{seq - 1, seq} {
		first, ok := r.recent[n]
		second, both := r.recent[n+1]
		if !ok || !both || first.hash == second.prev || first.bad || second.bad {
			continue
		}
		changed, at := n, first.at
		if first.signed {
			changed, at = n+1, second.at
		}
		c.add(r, &Finding{Fault: Changed, Problem: true, At: at.String(), Seq: changed, Text: "is not the line that was written: the next one has another hash of it"})
		k := r.recent[changed]
		k.bad = true
		r.recent[changed] = k
	}
}

func (c *Checker) checkpoint(r *run, l *Link, line []byte, k *known) {
	if l.Lost > r.lost {
		c.add(r, &Finding{Fault: LostEvents, At: k.at.String(), Seq: l.Seq, Text: fmt.Sprintf("the writer says that %d events were lost before this line, because they could not be written", l.Lost-r.lost)})
		r.lost = l.Lost
	}
	r.Closed = r.Closed || l.Reason == Close
	finding := func(f Fault, text string) {
		k.bad = f == Forged
		c.add(r, &Finding{Fault: f, Problem: true, At: k.at.String(), Seq: l.Seq, Text: text})
	}
	i := bytes.LastIndex(line, []byte(sigField))
	switch {
	case l.Sig == "" || i < 0:
		finding(Unsigned, "this checkpoint is not signed: the key could not sign it, or somebody else has written it")
		return
	case !slices.Contains(c.Keys, l.Key):
		finding(UnknownKey, "is signed by the key "+printableKey(l.Key)+", which is none of those that count")
		return
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(l.Sig)
	if err == nil {
		var key nkeys.KeyPair
		if key, err = nkeys.FromPublicKey(l.Key); err == nil {
			err = key.Verify(line[:i], sig)
		}
	}
	if err != nil || !bytes.Equal(line[i:], []byte(sigField+l.Sig+`"}`)) {
		finding(Forged, "the signature of this checkpoint does not fit: it was changed, or somebody else has written it")
		return
	}
	k.signed = true
	r.Signatures++
	if l.Reason == Close {
		r.end = l.Seq
	}
	if r.LastGood == nil || r.LastGood.Seq < l.Seq {
		r.LastGood = &Signature{At: k.at.String(), Seq: l.Seq, Time: l.Time, Key: l.Key}
		r.unsigned, r.oldest = span{}, time.Time{}
	}
}

// printableKey returns a public key, or a dash if it is none: text of a file is not repeated.
func printableKey(text string) string {
	if nkeys.IsValidPublicKey(text) {
		return text
	}
	return "-"
}

func (r *run) unsign(seq uint64, at time.Time, place Place) {
	if r.LastGood != nil && seq < r.LastGood.Seq {
		return
	}
	if r.unsigned.from == 0 {
		r.unsigned.from, r.since, r.oldest = seq, place, at
	}
	r.unsigned.to = seq
}
