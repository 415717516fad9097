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

// benchmarks are the metrics that "go test -bench" prints, by benchmark and unit,
// such as "BenchmarkHandle/plain" and "allocs/op".
type benchmarks map[string]map[string]float64

// procsSuffix is the GOMAXPROCS suffix of a benchmark's name.
var procsSuffix = regexp.MustCompile(`-[0-9]+$`) //nolint:gochecknoglobals // a parsed constant

// parseBenchmarks parses the result lines of benchmarks and ignores all others. The
// format is that of golang.org/design/14313-benchmark-format.
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
				return nil, fmt.Errorf("%s: %s is not a number", fields[0], fields[i])
			}
			metrics[fields[i+1]] = v
		}
		all[procsSuffix.ReplaceAllString(fields[0], "")] = metrics
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read output of benchmarks: %w", err)
	}
	return all, nil
}

// metric is the source of a row's figure in the output of benchmarks.
type metric struct {
	benchmark string
	unit      string
	divide    float64 // divisor to get the row's unit; 0: 1
}

// pick returns the figures of rows, and an error for each missing one. err is the error
// of the benchmark run. pick returns it too, and returns nothing else if no benchmark
// finished.
func (b benchmarks) pick(metrics map[string]metric, err error) (figures, error) {
	if err != nil && len(b) == 0 {
		return nil, err
	}
	found := figures{}
	errs := []error{err}
	for _, id := range slices.Sorted(maps.Keys(metrics)) {
		m := metrics[id]
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

// requests returns the number of requests with an outcome, from the text of /metrics.
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
			return 0, fmt.Errorf("metrics: %s is not a number", value)
		}
		n += v
	}
	if !seen {
		return 0, errors.New("metrics: no usher_requests_total")
	}
	return n, nil
}
