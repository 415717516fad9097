package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"usher/scripts/bench/machine"
)

// explanationDoc explains targets that a machine cannot reach.
const explanationDoc = "docs/reference/performance.md"

var errNotMeasured = errors.New("not measured")

// report is the table with its results.
type report struct {
	Machine  machine.Machine `json:"machine"`
	Rows     []result        `json:"rows"`
	problems []string
}

// result is a row with its figure.
type result struct {
	Part     string    `json:"part"`
	ID       string    `json:"id"`
	What     string    `json:"what"`
	Rule     string    `json:"rule,omitempty"` // "≤", "≥" or "="
	Target   *float64  `json:"target"`         // null: no target, or one that everything meets
	Measured *float64  `json:"measured"`       // null: not measured
	Unit     string    `json:"unit,omitempty"`
	Each     []float64 `json:"each,omitempty"` // the measurements that Measured was made of
	Verdict  verdict   `json:"verdict"`
	Error    string    `json:"error,omitempty"`

	Reference []float64 `json:"reference,omitempty"` // the same of the reference, where it recovered

	target string // as text
}

// add adds the results of a step.
func (r *report) add(s step, found figures, err error) {
	if err != nil {
		r.problems = append(r.problems, s.name+": "+strings.ReplaceAll(err.Error(), "\n", "\n    "))
	}
	for _, row := range s.rows {
		f, ok := found[row.id]
		target := row.target.of(f)
		out := result{Part: s.part, ID: row.id, What: row.what, Unit: row.unit, target: row.target.textFor(f, row.unit)}
		if target.rule != noTarget {
			out.Rule = map[rule]string{most: "≤", least: "≥", exact: "="}[target.rule]
			if !target.relative && !math.IsInf(target.figure, 0) {
				out.Target = &target.figure
			}
		}
		if ok {
			out.Measured, out.Verdict = &f.value, target.verdict(f.value)
			if len(f.each) > 1 {
				out.Each = f.each
			}
			out.Reference = slices.DeleteFunc(slices.Clone(f.reference), func(v float64) bool { return math.IsInf(v, 0) })
		} else {
			if err == nil {
				err = errNotMeasured
			}
			out.Verdict, out.Error = failed, err.Error()
		}
		r.Rows = append(r.Rows, out)
	}
}

// count counts the rows with a verdict.
func (r *report) count(v verdict) (n int) {
	for _, row := range r.Rows {
		if row.Verdict == v {
			n++
		}
	}
	return n
}

func (r *report) printJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// printText prints the table as text.
func (r *report) printText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "what\ttarget\tmeasured\tverdict\n")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", row.What, row.target, row.measured(), row.verdict())
	}
	fmt.Fprintln(t)
	for _, line := range r.Machine.Lines() {
		fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	text := ""
	if len(r.problems) > 0 {
		text = "\nfailures:\n  " + strings.Join(r.problems, "\n  ") + "\n"
	}
	if n := r.count(failed); n > 0 {
		text += fmt.Sprintf("\n%d of %d were not measured.\n", n, len(r.Rows))
	}
	if n := r.count(missed); n > 0 {
		text += fmt.Sprintf("\n%d of %d missed their target; %s explains the targets, and which ones depend on the machine.\n", n, len(r.Rows), explanationDoc)
	}
	_, err := io.WriteString(w, text)
	return err
}

func (r *result) measured() string {
	if r.Measured == nil {
		return "–"
	}
	text := number(*r.Measured, r.Unit)
	if len(r.Each) == 0 {
		return text
	}
	each := make([]string, len(r.Each))
	for i, v := range r.Each {
		each[i] = number(v, "")
	}
	return text + " (" + strings.Join(each, ", ") + ")"
}

func (r *result) verdict() string {
	switch r.Verdict {
	case missed:
		return string(missed) + ", see " + explanationDoc
	case none:
		return "–"
	case good, near, failed:
	}
	return string(r.Verdict)
}
