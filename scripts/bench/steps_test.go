package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// options3 are options as the flags give them.
func options3(clients string) options { return options{rounds: 3, clients: clients} }

// TestSteps: every row has a unique name, every part a step, and every row of the
// directory a benchmark.
func TestSteps(t *testing.T) {
	t.Parallel()
	ids, texts := map[string]bool{}, map[string]bool{}
	var seen []string
	steps, err := selectSteps(options3(defaultSizes))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
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
	for _, c := range []struct {
		only, clients string
		want          int
	}{
		{"", "100", 17},
		{"supervisors", "100", 1},
		{"sessions", "100", 1},
		{"messages", "100", 1},
		{"http", "100", 2},
		{"kv", "100", 1},
		{"handle", "100", 1},
		{"provider", "100", 1},
		{"jwt", "100", 1},
		{"verify", "100", 1},
		{"storm", "100", 5},           // for each kind calibration and size; CPU
		{"storm", "9000,100,9000", 6}, // large ones are plain only
		{"storm", "9000", 3},
		{"steady,handle", "100", 2},
		{"handle,storm,steady,directory", "100", 8},
		{"storm", defaultSizes, 15},
	} {
		if steps, err := selectSteps(options{only: c.only, rounds: 1, clients: c.clients}); err != nil || len(steps) != c.want {
			t.Errorf("%+v: %d steps, %v", c, len(steps), err)
		}
	}
}

// TestUsage: wrong options are refused before anything is built.
func TestUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--only storms":  `unknown part "storms", expected handle,verify,provider,storm,jwt,steady,supervisors,sessions,messages,http,directory,kv`,
		"--only handle,": `unknown part ""`,
		"--rounds 0":     "--rounds 0 is not between 1 and 100",
		"--clients 0":    `--clients 0: "0" is not a number between 1 and 100000`,
		"--clients 1,":   `--clients 1,: "" is not a number`,
		"--rounds x":     "invalid value",
		"--frobnicate":   "not defined",
		"--rounds 1 now": `unexpected argument "now"`,
		"--clients 1e9":  `"1e9" is not a number`,
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
