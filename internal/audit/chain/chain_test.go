package chain_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/audit/chain"
)

type signer struct {
	key    nkeys.KeyPair
	public string
	err    error
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := nkeys.CreateAccount()
	must(t, err)
	public, err := key.PublicKey()
	must(t, err)
	return &signer{key: key, public: public}
}

func (s *signer) PublicKey() string { return s.public }

func (s *signer) Sign(_ context.Context, data []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.key.Sign(data)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// written returns the lines of one writer: events, and a checkpoint after every third.
func written(t *testing.T, s *signer, id string, after chain.Hash, events int, closed bool) []string {
	t.Helper()
	var out bytes.Buffer
	w := chain.NewWriter(&chain.Config{Out: &out, ID: id, After: after, Signer: func() chain.Signer { return s }, Host: "h", Now: func() time.Time { return begin }})
	must(t, w.Checkpoint(t.Context(), chain.Start, 0))
	for i := range events {
		_, err := fmt.Fprintf(w, `{"time":"2026-03-01T12:00:00Z","request_id":"r%d"}`+"\n", i)
		must(t, err)
		if i%3 == 2 {
			must(t, w.Checkpoint(t.Context(), chain.Interval, 0))
		}
	}
	if closed {
		must(t, w.Checkpoint(t.Context(), chain.Close, 0))
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

const (
	first  = "20260301T120000.000Z-000000000001"
	second = "20260301T130000.000Z-000000000002"
)

func check(keys []string, lines []string, closed bool) *chain.Report {
	c := &chain.Checker{Keys: keys}
	for i, line := range lines {
		c.Add([]byte(line), chain.Place{Source: "f", N: uint64(i + 1)})
	}
	return c.Done(closed)
}

// problems returns text such as "changed 5 last good 4" for each problem.
func problems(r *chain.Report) string {
	var out []string
	for _, f := range r.Findings {
		if !f.Problem {
			continue
		}
		text := fmt.Sprintf("%s %d", f.Fault, f.Seq)
		if f.To > f.Seq {
			text += fmt.Sprintf("-%d", f.To)
		}
		if f.LastGood != nil {
			text += fmt.Sprintf(" after %d", f.LastGood.Seq)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	if len(out) != r.Problems {
		return fmt.Sprintf("%d problems: %v", r.Problems, out)
	}
	return strings.Join(out, "; ")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s, other := newSigner(t), newSigner(t)
	// 1 start, 2-4 events, 5 checkpoint, 6-8, 9 checkpoint, 10-11, 12 close
	whole := written(t, s, first, chain.Hash{}, 8, true)
	if len(whole) != 12 {
		t.Fatalf("%d lines", len(whole))
	}
	edit := func(change func(l []string) []string) []string { return change(slices.Clone(whole)) }
	next := written(t, s, second, chain.Of([]byte(whole[11])), 3, true)
	forged := written(t, other, first, chain.Hash{}, 8, true)
	killed := written(t, s, first, chain.Hash{}, 4, false) // ends with an event that is not signed
	for name, c := range map[string]struct {
		lines  []string
		closed bool
		want   string
	}{
		"whole":                 {lines: whole, closed: true},
		"two writers":           {lines: slices.Concat(whole, next), closed: true},
		"changed byte":          {lines: edit(func(l []string) []string { l[6] = strings.Replace(l[6], `"r4"`, `"r5"`, 1); return l }), want: "changed 7 after 5"},
		"changed first event":   {lines: edit(func(l []string) []string { l[1] = strings.Replace(l[1], `"r0"`, `"r5"`, 1); return l }), want: "changed 2 after 1"},
		"changed checkpoint":    {lines: edit(func(l []string) []string { l[4] = strings.Replace(l[4], `"lost":0`, `"lost":1`, 1); return l }), want: "forged 5 after 1"},
		"changed last line":     {lines: edit(func(l []string) []string { l[11] = strings.Replace(l[11], `12:00`, `12:01`, 1); return l }), want: "forged 12 after 9; unsigned 10-12 after 9", closed: true},
		"appended to signature": {lines: edit(func(l []string) []string { l[11] = strings.TrimSuffix(l[11], "}") + ` }`; return l }), want: "forged 12 after 9; unsigned 10-12 after 9", closed: true},
		"removed":               {lines: edit(func(l []string) []string { return slices.Delete(l, 6, 7) }), want: "missing 7 after 5"},
		"removed several":       {lines: edit(func(l []string) []string { return slices.Delete(l, 5, 9) }), want: "missing 6-9 after 5"},
		"removed checkpoint":    {lines: edit(func(l []string) []string { return slices.Delete(l, 4, 5) }), want: "missing 5 after 1"},
		"swapped":               {lines: edit(func(l []string) []string { l[6], l[7] = l[7], l[6]; return l }), want: "reordered 7 after 5"},
		"twice":                 {lines: edit(func(l []string) []string { return slices.Insert(l, 7, l[6]) }), want: "repeated 7 after 5"},
		"inserted":              {lines: edit(func(l []string) []string { return slices.Insert(l, 7, `{"request_id":"x"}`) }), want: "unreadable 0"},
		"end cut off":           {lines: whole[:9], closed: true, want: "open 9 after 9"},
		"end cut off, may run":  {lines: whole[:9]},
		"end cut, unsigned":     {lines: whole[:11], closed: true, want: "open 11 after 9; unsigned 10-11 after 9"},
		"end cut off, followed": {lines: slices.Concat(whole[:9], next), want: "missing 1"},
		"run removed":           {lines: next, closed: true},
		"killed, followed":      {lines: slices.Concat(killed, written(t, s, second, chain.Of([]byte(killed[len(killed)-1])), 3, true))},
		"beginning cut off":     {lines: whole[3:], closed: true},
		"other key":             {lines: forged, want: "unknown_key 1; unknown_key 5; unknown_key 9; unknown_key 12"},
		"no chain":              {lines: []string{`{"a":1}`}, want: "unreadable 0"},
	} {
		got := problems(check([]string{s.public}, c.lines, c.closed))
		if name == "other key" {
			got = strings.ReplaceAll(got, "unknown_key 1; unknown_key 12; unknown_key 5; unknown_key 9", c.want)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	// Somebody else who writes the key's name over an own signature.
	lying := edit(func(l []string) []string { l[8] = strings.Replace(forged[8], other.public, s.public, 1); return l })
	if got := problems(check([]string{s.public}, lying, true)); !strings.HasPrefix(got, "forged 9 after 5") {
		t.Errorf("forged checkpoint: %s", got)
	}
	r := check([]string{s.public}, whole[3:], false)
	if len(r.Findings) != 1 || r.Findings[0].Fault != chain.Cut || r.Findings[0].To != 3 || r.Runs[0].Signatures != 3 || !r.Runs[0].Closed {
		t.Errorf("beginning cut off: %+v", r)
	}
}

// Any change of any byte of a closed chain is found.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	whole := written(t, s, first, chain.Hash{}, 2, true)
	for i, line := range whole {
		for j := range line {
			lines := slices.Clone(whole)
			b := []byte(line)
			b[j] ^= 1
			lines[i] = string(b)
			if r := check([]string{s.public}, lines, true); r.Problems == 0 {
				t.Errorf("line %d, byte %d: not found: %s", i+1, j, b)
			}
		}
	}
}

type failing struct {
	bytes.Buffer
	after int // bytes that the next write takes before it fails; negative: it does not
}

func (f *failing) Write(p []byte) (int, error) {
	if f.after < 0 {
		return f.Buffer.Write(p)
	}
	n, _ := f.Buffer.Write(p[:f.after])
	return n, errors.New("full")
}

// A line that is not written has no place in the chain, and one that is half written is torn.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	out := &failing{after: -1}
	w := chain.NewWriter(&chain.Config{Out: out, ID: first, Signer: func() chain.Signer { return s }, Now: func() time.Time { return begin }})
	must(t, w.Checkpoint(t.Context(), chain.Start, 0))
	event := []byte(`{"a":1}` + "\n")
	for _, out.after = range []int{0, 5, 0, -1} {
		_, _ = w.Write(event)
	}
	s.err = errors.New("no key")
	if err := w.Checkpoint(t.Context(), chain.Interval, 3); !errors.Is(err, s.err) || w.Unsigned() != 2 {
		t.Errorf("%v, %d", err, w.Unsigned())
	}
	s.err = nil
	must(t, w.Checkpoint(t.Context(), chain.Close, 3))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	r := check([]string{s.public}, lines, true)
	if got := problems(r); len(lines) != 5 || got != "unreadable 0; unsigned 3 after 1" || r.Findings[1].Fault != chain.LostEvents {
		t.Errorf("%s\n%s\n%+v", got, out.String(), r.Findings)
	}
	for _, bad := range []string{"", "{}\n", "{\"a\":1}", "{\"a\":\n1}\n"} {
		if _, err := w.Write([]byte(bad)); !errors.Is(err, chain.ErrNotALine) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// In a stream, lines of several writers mix, and an attempt that was repeated may come late.
func TestShared(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	a, b := written(t, s, first, chain.Hash{}, 5, true), written(t, s, second, chain.Hash{}, 5, true)
	c := &chain.Checker{Keys: []string{s.public}, Shared: true}
	n := uint64(0)
	add := func(lines ...string) {
		for _, line := range lines {
			n++
			c.Add([]byte(line), chain.Place{Source: "s", N: n})
		}
	}
	add(a[:3]...)
	add(b[0], b[2], b[1], b[2])
	add(a[3:]...)
	add(b[3:]...)
	if r := c.Done(true); r.Problems != 0 || len(r.Findings) != 2 {
		t.Errorf("%+v", r)
	}
}
