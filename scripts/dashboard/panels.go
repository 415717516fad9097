package main

import "strings"

// A row is a group of panels below one title.
type row struct {
	title  string
	panels []panel
}

// A panel shows some queries over time, or as one number if it is a stat.
type panel struct {
	title, about string
	unit         string // as Grafana calls it
	stat         bool
	stacked      bool
	wide         int // of 24 columns
	queries      []query
}

type query struct {
	expr, legend string
	exemplar     bool
}

// Units of Grafana.
const (
	unitSeconds = "s"
	unitRate    = "reqps"
	unitPerSec  = "cps"
	unitShare   = "percentunit"
	unitBytes   = "bytes"
	unitCount   = "short"
)

// with makes a query: {} in expr stands for the selected jobs and instances, and {,…} for those
// and more.
func with(expr, legend string) query {
	const selected = `job=~"$job",instance=~"$instance"`
	expr = strings.ReplaceAll(expr, "{}", "{"+selected+"}")
	return query{expr: strings.ReplaceAll(expr, "{,", "{"+selected+","), legend: legend}
}

// rates makes a query of rates of a counter, summed by a label.
func rates(by, counter string) query {
	return with("sum by ("+by+") (rate("+counter+"[$__rate_interval]))", "{{"+strings.ReplaceAll(by, ", ", "}} {{")+"}}")
}

// rate makes a query of the rate of a counter, summed.
func rate(legend, counter string) query {
	return with("sum (rate("+counter+"[$__rate_interval]))", legend)
}

// quantiles makes queries of quantiles of a histogram, with exemplars.
func quantiles(histogram string) []query {
	var all []query
	for _, q := range []string{"0.5", "0.9", "0.99"} {
		one := quantile(q, "", histogram)
		one.legend, one.exemplar = "p"+strings.TrimPrefix(q, "0."), q == "0.99"
		all = append(all, one)
	}
	all[0].legend, all[1].legend = "p50", "p90"
	return all
}

// quantile makes a query of a quantile of a histogram by a label.
func quantile(q, by, histogram string) query {
	labels, legend := "le", "p"+q
	if by != "" {
		labels, legend = by+", le", "{{"+by+"}}"
	}
	return with("histogram_quantile("+q+", sum by ("+labels+") (rate("+histogram+"[$__rate_interval])))", legend)
}

// stat makes a panel of one number.
func stat(title, about, unit, expr string) panel {
	return panel{title: title, about: about, unit: unit, stat: true, wide: 4, queries: []query{with(expr, "")}}
}

// chart makes a panel over time.
func chart(title, about, unit string, queries ...query) panel {
	return panel{title: title, about: about, unit: unit, wide: 8, queries: queries}
}

// stack makes a panel over time, whose series add up.
func stack(title, about, unit string, queries ...query) panel {
	p := chart(title, about, unit, queries...)
	p.stacked = true
	return p
}
