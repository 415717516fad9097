package main

import (
	"math"
	"testing"
)

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target target
		figure float64
		want   verdict
	}{
		{atMost(1.5), 1.2, good},
		{atMost(1.5), 1.5, good},
		{atMost(1.5), 1.64, near},
		{atMost(1.5), 1.66, missed},
		{atMost(0), 1, missed},
		{atMost(1.5), math.NaN(), missed},
		{atMost(1.5), math.Inf(1), missed},
		{atLeast(2.4), 3, good},
		{atLeast(2.4), 2.4, good},
		{atLeast(2.4), 2.17, near},
		{atLeast(2.4), 2.15, missed},
		{atLeast(2.4), math.NaN(), missed},
		{exactly(100), 100, good},
		{exactly(100), 99, missed},
		{exactly(0), 0, good},
		{exactly(0), 1, missed},
		{information(), 1, none},
	} {
		if got := c.target.verdict(c.figure); got != c.want {
			t.Errorf("%g with target %q: %q, want %q", c.figure, c.target.text(""), got, c.want)
		}
	}
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values             []float64
		median, worst, sum float64
	}{
		{[]float64{3}, 3, 3, 3},
		{[]float64{4, 1}, 2.5, 4, 5},
		{[]float64{9, 1, 2}, 2, 9, 12},
	} {
		if m, w, s := median(c.values), worst(c.values), sum(c.values); m != c.median || w != c.worst || s != c.sum {
			t.Errorf("%v: %g, %g, %g", c.values, m, w, s)
		}
	}
	if x, err := ratio(7, 2); err != nil || x != 3.5 {
		t.Errorf("%g, %v", x, err)
	}
	for _, c := range [][2]float64{{1, 0}, {0, 1}, {math.NaN(), 1}, {1, math.NaN()}, {-1, 1}} {
		if x, err := ratio(c[0], c[1]); err == nil {
			t.Errorf("%v: no error, but %g", c, x)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"≤ 1.45 ×":  atMost(1.45).text("×"),
		"≥ 1.4 ×":   atLeast(1.4).text("×"),
		"3 of 3":    exactly(3).text("of 3"),
		"0":         exactly(0).text(""),
		"–":         information().text("ms"),
		"1.46 ×":    number(1.4567, "×"),
		"16.2 ms":   number(16.23, "ms"),
		"181":       number(181.4, ""),
		"61":        number(61, ""),
		"0.0043":    number(0.00432, ""),
		"999":       thousands(999),
		"12,000":    thousands(12000),
		"1,000,001": thousands(1_000_001),
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
