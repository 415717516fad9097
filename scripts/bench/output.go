package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// benchmarks are the metrics that "go test -bench" printed, by benchmark and
// unit, such as "BenchmarkHandle/plain" and "allocs/op".
type benchmarks map[string]map[string]float64

// processors ends a benchmark's name where there is more than one.
var processors = regexp.MustCompile(`-[0-9]+$`) //nolint:gochecknoglobals // a parsed constant

// parseBenchmarks reads the lines of benchmarks and leaves the others alone
// (the format is that of golang.org/design/14313-benchmark-format).
func parseBenchmarks(r io.Reader) (benchmarks, error) {
	all := benchmarks{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue // a log line
		}
		metrics := map[string]float64{}
		for i := 2; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %s is no figure", fields[0], fields[i])
			}
			metrics[fields[i+1]] = v
		}
		all[processors.ReplaceAllString(fields[0], "")] = metrics
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read output of benchmarks: %w", err)
	}
	return all, nil
}

// metric is where a row's figure stands in the output of benchmarks.
type metric struct {
	benchmark string
	unit      string
	divide    float64 // by this, to get at the row's unit; 0: by 1
}

// pick returns the figures of rows, and what is missing. With err the benchmarks
// ended; it comes back, and is all there is to say if none of them was done.
func (b benchmarks) pick(wanted map[string]metric, err error) (figures, error) {
	if err != nil && len(b) == 0 {
		return nil, err
	}
	found := figures{}
	errs := []error{err}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		m := wanted[id]
		v, ok := b[m.benchmark][m.unit]
		if !ok {
			errs = append(errs, fmt.Errorf("%s did not report %s", m.benchmark, m.unit))
			continue
		}
		if m.divide != 0 {
			v /= m.divide
		}
		found[id] = figure{value: v}
	}
	return found, errors.Join(errs...)
}

// requests returns how many requests had the outcome, from the text of /metrics.
func requests(metrics, outcome string) (n float64, err error) {
	const family = "usher_requests_total{"
	seen := false
	for line := range strings.Lines(metrics) {
		labels, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(labels, family) {
			continue
		}
		seen = true
		if !strings.Contains(labels, `outcome="`+outcome+`"`) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metrics: %s is no figure", value)
		}
		n += v
	}
	if !seen {
		return 0, errors.New("metrics: there is nothing of requests")
	}
	return n, nil
}
