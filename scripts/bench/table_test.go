package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"usher/scripts/bench/machine"
)

// sample is a report with one row of each kind.
func sample() *report {
	var r report
	r.add(step{part: "storm", name: "storm of 8,000", rows: []row{
		{"time", "storm, time", atMostReference(1.05), "s"},
		{"recovered", "storm, recovered", exactly(3), "of 3"},
		{"elapsed", "storm, until all are connected", information(), "s"},
		{"faster", "faster", atLeast(2), "×"},
		{"failed", "storm, failed attempts", atMostReference(1), ""},
		{"large", "storm, alone", atMostReference(0.8), "s"},
	}}, figures{
		"time":      {value: 2.15, each: []float64{1.9, 2.15, 3}, reference: []float64{2.5, math.Inf(1), 2}},
		"recovered": {value: 2},
		"elapsed":   {value: 4.56, each: []float64{4.56}},
		"faster":    {value: 2.5},
		"failed":    {value: 1, reference: []float64{0, 0, 9}},
		"large":     {value: 12, reference: []float64{9, math.Inf(1), math.Inf(1)}},
	}, errors.New("round 2: not recovered\nand more"))
	r.add(step{part: "steady", name: "steady load", rows: []row{{"p99", "p99", atMostReference(1.3), "×"}}}, nil, nil)
	r.Machine = machine.Machine{CPU: "abacus", Cores: 2, OS: "linux/amd64", Go: "go1.26", NATSServer: "v2.15.2", Usher: "1.0.0", Date: "2026-07-01T00:00:00Z"}
	return &r
}

func TestTable(t *testing.T) {
	t.Parallel()
	const want = `what                             target                          measured                 verdict
storm, time                      ≤ 1.05 × 2.50 s                 2.15 s (1.90, 2.15, 3)   ok
storm, recovered                 3 of 3                          2 of 3                   missed, see docs/reference/performance.md
storm, until all are connected   –                               4.56 s                   –
faster                           ≥ 2 ×                           2.50 ×                   ok
storm, failed attempts           ≤ 0                             1                        missed, see docs/reference/performance.md
storm, alone                     the reference did not recover   12 s                     ok
p99                              ≤ 1.3 × the reference's         –                        failed

CPU           abacus
cores         2
OS            linux/amd64
Go            go1.26
nats-server   v2.15.2
usher         1.0.0
date          2026-07-01T00:00:00Z

failures:
  storm of 8,000: round 2: not recovered
    and more

1 of 7 were not measured.

2 of 7 missed their target; docs/reference/performance.md explains the targets, and which ones depend on the machine.
`
	var b bytes.Buffer
	if err := sample().printText(&b); err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().printJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Machine map[string]any
		Rows    []struct {
			Part, ID, What, Rule, Unit, Verdict, Error string
			Target, Measured                           *float64
			Each, Reference                            []float64
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	rows := got.Rows
	if len(rows) != 7 || len(got.Machine) != 7 {
		t.Fatalf("%s", b.String())
	}
	if r := rows[0]; r.Part != "storm" || r.ID != "time" || r.Rule != "≤" || *r.Target != 1.05*2.5 || *r.Measured != 2.15 || len(r.Each) != 3 || len(r.Reference) != 2 || r.Unit != "s" || r.Verdict != "ok" || r.Error != "" {
		t.Errorf("%+v", r)
	}
	if r := rows[5]; r.Target != nil || r.Rule != "≤" || r.Verdict != "ok" || len(r.Reference) != 1 {
		t.Errorf("%+v", r)
	}
	if r := rows[2]; r.Target != nil || r.Rule != "" || r.Verdict != "" || r.Each != nil {
		t.Errorf("%+v", r)
	}
	if r := rows[6]; r.Measured != nil || r.Verdict != "failed" || r.Error != "not measured" {
		t.Errorf("%+v", r)
	}
}

// TestFailedStep: if a step fails, its rows without a figure are failed, not missed, even
// those without a target. Rows with a figure keep their verdict.
func TestFailedStep(t *testing.T) {
	t.Parallel()
	steps, err := selectSteps(options3("8000,100"))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	total := 0
	for _, s := range steps {
		r.add(s, figures{s.rows[0].id: {value: s.rows[0].target.figure}}, errors.New("boom"))
		total += len(s.rows) - 1
	}
	if r.count(failed) != total || total == 0 || r.count(missed) != 0 {
		t.Errorf("%d failed, not %d, and %d missed", r.count(failed), total, r.count(missed))
	}
	var b bytes.Buffer
	if err := r.printText(&b); err != nil || strings.Count(b.String(), "boom") != len(steps) {
		t.Errorf("%v\n%s", err, b.String())
	}
}
