package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// row is one line of the table, without its figure.
type row struct {
	id     string // for --json
	what   string
	target target
	unit   string
}

// target is the condition on a figure.
type target struct {
	rule   rule
	figure float64
}

type rule int

const (
	noTarget rule = iota // for information
	most
	least
	exact
)

func information() target           { return target{} }
func atMost(figure float64) target  { return target{most, figure} }
func atLeast(figure float64) target { return target{least, figure} }
func exactly(figure float64) target { return target{exact, figure} }

// verdict compares a figure with its target.
type verdict string

const (
	good   verdict = "ok"
	near   verdict = "within 10 %"
	missed verdict = "missed"
	failed verdict = "failed" // not measured
	none   verdict = ""       // no target
)

// margin is the share by which a figure may miss its target.
const margin = 0.1

func (t target) verdict(figure float64) verdict {
	switch t.rule {
	case most:
		return grade(figure <= t.figure, figure <= t.figure*(1+margin))
	case least:
		return grade(figure >= t.figure, figure >= t.figure*(1-margin))
	case exact: // a count; with the margin a storm that did not recover would pass
		return grade(figure == t.figure, false)
	case noTarget:
	}
	return none
}

// grade returns missed for NaN, because every comparison with NaN is false.
func grade(ok, within bool) verdict {
	switch {
	case ok:
		return good
	case within:
		return near
	default:
		return missed
	}
}

func (t target) text(unit string) string {
	sign := map[rule]string{most: "≤ ", least: "≥ "}[t.rule]
	if t.rule == noTarget {
		return "–"
	}
	return sign + withUnit(strconv.FormatFloat(t.figure, 'f', -1, 64), unit)
}

// number formats a figure with its significant digits.
func number(f float64, unit string) string {
	digits := 2
	switch size := math.Abs(f); {
	case f == math.Trunc(f), size >= 100:
		digits = 0
	case size >= 10:
		digits = 1
	case size < 0.1:
		digits = 4
	}
	return withUnit(strconv.FormatFloat(f, 'f', digits, 64), unit)
}

func withUnit(text, unit string) string { return strings.TrimSpace(text + " " + unit) }

// figures are the results of a step, by row.
type figures map[string]figure

// figure is the result of a row.
type figure struct {
	value float64
	each  []float64 // the measurements that value was made of, in order
}

// set aggregates measurements into one figure. Without measurements it sets nothing.
func (f figures) set(id string, aggregate func([]float64) float64, each []float64) {
	if len(each) > 0 {
		f[id] = figure{aggregate(each), each}
	}
}

func (f figures) prefixed(prefix string) figures {
	renamed := make(figures, len(f))
	for id, v := range f {
		renamed[prefix+id] = v
	}
	return renamed
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

func worst(values []float64) float64 { return slices.Max(values) }

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// ratio returns a/b. Both must be above 0.
func ratio(a, b float64) (float64, error) {
	if !(a > 0) || !(b > 0) {
		return 0, fmt.Errorf("no ratio of %g to %g", a, b)
	}
	return a / b, nil
}
