package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// TestSteps: every row has a unique name, every part a step, and every row of the
// directory a benchmark.
func TestSteps(t *testing.T) {
	t.Parallel()
	ids, texts := map[string]bool{}, map[string]bool{}
	var seen []string
	for _, s := range allSteps(options{rounds: 3, clients: 8000}) {
		seen = append(seen, s.part)
		for _, r := range s.rows {
			if id := s.part + "/" + r.id; ids[id] || texts[r.what] {
				t.Errorf("%s, %q is defined twice", id, r.what)
			}
			ids[s.part+"/"+r.id], texts[r.what] = true, true
		}
	}
	if !slices.Equal(slices.Compact(seen), parts()) {
		t.Errorf("%v", seen)
	}
	for _, d := range directoryTable() {
		if d.benchmark == "" || d.metric.unit == "" || d.divide == 0 {
			t.Errorf("%+v", d)
		}
	}
}

func TestSelectSteps(t *testing.T) {
	t.Parallel()
	for only, want := range map[string]int{"": 7, "kv": 1, "handle": 1, "storm": 3, "steady,handle": 2, "handle,storm,steady,directory": 6} {
		if steps, err := selectSteps(options{only: only, rounds: 1, clients: 100}); err != nil || len(steps) != want {
			t.Errorf("%q: %d steps, %v", only, len(steps), err)
		}
	}
}

// TestUsage: wrong options are refused before anything is built.
func TestUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--only storms":   `unknown part "storms", expected handle,storm,steady,directory,kv`,
		"--only handle,":  `unknown part ""`,
		"--rounds 0":      "--rounds 0 is not between 1 and 100",
		"--clients 0":     "--clients 0 is not between 1 and 100000",
		"--rounds x":      "invalid value",
		"--frobnicate":    "not defined",
		"--rounds 1 now":  `unexpected argument "now"`,
		"--clients 1e9 x": "invalid value",
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), want) || stdout.Len() > 0 {
			t.Errorf("%s: exit code %d\n%s", args, code, stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-h"}, &stdout, &stderr); code != exitOK || !strings.Contains(stderr.String(), "-rounds") || !strings.Contains(stderr.String(), "Exit codes: 0") {
		t.Errorf("help: exit code %d\n%s", code, stderr.String())
	}
}
