package chain_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/internal/audit/chain"
)

// forgedLine returns a line as a forger without the key makes it, and its hash.
func forgedLine(id string, seq int, prev, at string) (line, hash string) {
	line = fmt.Sprintf(`{"time":%q,"outcome":"granted","user":"mallory","writer":%q,"seq":%d,"prev":%q}`, at, id, seq, prev)
	return line, chain.Of([]byte(line)).String()
}

// Attack: somebody without the signing key adds events to the audit file where a writer begins or ends, and lets their times, or the next start of usher, make the lack of a signature look normal
// Held by: the first line of a writer is a signed checkpoint, nothing follows a close, only signed lines vouch for others, and no unsigned line is of the future
func TestForgedWriters(t *testing.T) {
	t.Parallel()
	const past, future = "2026-03-01T12:00:00Z", "2099-01-01T00:00:00Z"
	s := newSigner(t)
	whole := written(t, s, first, chain.Hash{}, 8, true)
	end := chain.Of([]byte(whole[11])).String()
	verify := func(lines ...string) *chain.Report {
		c := &chain.Checker{Keys: []string{s.public}, Settled: begin.Add(time.Hour)}
		for i, line := range lines {
			c.Add([]byte(line), chain.Place{Source: "f", N: uint64(i + 1)})
		}
		return c.Done(false)
	}
	start := func(after string) []string { // a start of usher that has read this line as the last one
		return written(t, s, second, chain.Of([]byte(after)), 3, true)
	}
	if r := verify(slices.Concat(whole, start(whole[11]))...); len(r.Findings) != 0 {
		t.Fatalf("nothing is forged: %+v", r.Findings)
	}

	const third = "20260301T123000.000Z-000000000003"
	own, ownHash := forgedLine(third, 1, end, future)
	more, _ := forgedLine("20260301T123100.000Z-000000000004", 1, ownHash, future)
	tail, _ := forgedLine(first, 13, end, future)
	cut, _ := forgedLine("20260301T110000.000Z-000000000005", 7, end, past)
	bare := `{"time":"2026-03-01T12:30:00Z","outcome":"granted","user":"mallory"}`
	blessing, _ := forgedLine(third, 1, chain.Of([]byte("torn")).String(), future)
	killed := written(t, s, first, chain.Hash{}, 4, false)
	late, _ := forgedLine(first, 7, chain.Of([]byte(killed[len(killed)-1])).String(), past)
	if len(killed) != 6 {
		t.Fatalf("%d lines", len(killed))
	}
	for name, lines := range map[string][]string{
		"behind a killed writer that was followed": append(slices.Concat(killed, start(killed[5])), late),
		"own writer":                      append(slices.Clone(whole), own),
		"own writer, followed by another": append(slices.Clone(whole), own, more),
		"own writer, followed by usher":   slices.Concat(whole, []string{own}, start(own)),
		"behind a close":                  append(slices.Clone(whole), tail),
		"behind a close, then usher":      slices.Concat(whole, []string{tail}, start(tail)),
		"cut off, then usher":             slices.Concat(whole, []string{cut}, start(cut)),
		"no chain, then usher":            slices.Concat(whole, []string{bare}, start(bare)),
		"torn, then a forged writer":      append(slices.Clone(whole), "torn", blessing),
		"before a rotated file":           append([]string{bare}, whole[3:]...),
		"future in an open run":           append(slices.Clone(whole[:9]), func() string { l, _ := forgedLine(first, 10, chain.Of([]byte(whole[8])).String(), future); return l }()),
	} {
		if r := verify(lines...); r.Problems == 0 {
			t.Errorf("%s: not found: %+v", name, r.Findings)
		}
	}
	// What a crash and an older usher leave is not forged.
	for name, lines := range map[string][]string{
		"torn, then usher":  slices.Concat(whole, []string{`{"time":"2026-03`}, start(`{"time":"2026-03`)),
		"old usher":         slices.Concat([]string{bare, bare}, written(t, s, second, chain.Of([]byte(bare)), 3, true)),
		"rotated, followed": slices.Concat(whole[9:11], start(whole[10])),
	} {
		if r := verify(lines...); r.Problems != 0 {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
	if r := verify(start("in the file before")...); len(r.Findings) != 1 || r.Findings[0].Fault != chain.Cut {
		t.Errorf("nobody is told that lines before the first writer are not there: %+v", r.Findings)
	}
}

// Attack: the stream of the audit is made anew with a changed line so far behind its place that its neighbors are forgotten when it comes
// Held by: a line that comes that late is a problem, also where several writers share a stream
func TestChangedAndMovedFarAway(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	var out bytes.Buffer
	w := chain.NewWriter(&chain.Config{Out: &out, ID: first, Signer: func() chain.Signer { return s }, Now: func() time.Time { return begin }})
	must(t, w.Checkpoint(t.Context(), chain.Start, 0))
	for range 8200 {
		_, err := w.Write([]byte(`{"user":"mallory"}` + "\n"))
		must(t, err)
	}
	must(t, w.Checkpoint(t.Context(), chain.Close, 0))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	moved := strings.Replace(lines[1], "mallory", "innocent", 1)
	lines = append(slices.Delete(lines, 1, 2), moved)
	c := &chain.Checker{Keys: []string{s.public}, Shared: true}
	for i, line := range lines {
		c.Add([]byte(line), chain.Place{Source: "s", N: uint64(i + 1)})
	}
	if r := c.Done(true); r.Problems == 0 {
		t.Errorf("not found: %+v", r.Findings)
	}
}

// The signature of a checkpoint has one spelling.
func TestSpellingOfSignature(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	whole := written(t, s, first, chain.Hash{}, 1, true)
	last := whole[len(whole)-1]
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at := len(last) - len(`"}`) - 1
	other := last[:at] + string(digits[strings.IndexByte(digits, last[at])^1]) + last[at+1:]
	whole[len(whole)-1] = other
	if r := check([]string{s.public}, whole, true); r.Problems == 0 {
		t.Errorf("not found: %+v", r.Findings)
	}
}
