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
	rule     rule
	figure   float64
	relative bool // figure is a multiple of the reference's
}

type rule int

const (
	noTarget rule = iota // for information
	most
	least
	exact
)

func information() target           { return target{} }
func atMost(figure float64) target  { return target{rule: most, figure: figure} }
func atLeast(figure float64) target { return target{rule: least, figure: figure} }
func exactly(figure float64) target { return target{rule: exact, figure: figure} }

// atMostReference is met by at most the given multiple of the reference's median.
func atMostReference(multiple float64) target {
	return target{rule: most, figure: multiple, relative: true}
}

// of returns the absolute target that a figure is compared with.
func (t target) of(f figure) target {
	if t.relative && len(f.reference) > 0 {
		return target{rule: t.rule, figure: t.figure * median(f.reference)}
	}
	return t
}

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
	figure := strconv.FormatFloat(t.figure, 'f', -1, 64)
	switch {
	case t.rule == noTarget:
		return "–"
	case t.relative && t.figure == 1:
		return sign + "the reference's"
	case t.relative:
		return sign + figure + " × the reference's"
	}
	return sign + withUnit(figure, unit)
}

// textFor returns the text of the target beside a figure. It shows what was measured with
// the reference.
func (t target) textFor(f figure, unit string) string {
	if !t.relative || len(f.reference) == 0 {
		return t.text(unit)
	}
	m := median(f.reference)
	if math.IsInf(m, 1) {
		return "the reference did not recover"
	}
	return strings.TrimSuffix(t.text(unit), "the reference's") + number(m, unit)
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

	reference []float64 // the same of the reference, in order; +Inf: it did not recover
}

// set aggregates measurements into one figure. Without measurements it sets nothing.
func (f figures) set(id string, aggregate func([]float64) float64, each []float64) {
	if len(each) > 0 {
		f[id] = figure{value: aggregate(each), each: each}
	}
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
