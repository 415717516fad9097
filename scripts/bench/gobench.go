package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// benchmarkTimeout is far above the time that the benchmarks of a package take.
const benchmarkTimeout = 8 * time.Minute

// goBench runs benchmarks of a package, as "go test -bench" does.
func (r *runner) goBench(ctx context.Context, p program, pattern string) (benchmarks, error) {
	test, err := r.program(p)
	if err != nil {
		return nil, err
	}
	_, pkg := p.recipe()
	dir, err := output(ctx, "", "go", "list", "-f", "{{.Dir}}", pkg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, benchmarkTimeout)
	defer cancel()
	out, err := output(ctx, strings.TrimSpace(string(dir)), test, "-test.run", "^$", "-test.bench", pattern, "-test.benchmem")
	if text := string(out); err != nil && slices.ContainsFunc(strings.Split(text, "\n"), isErrorLine) {
		err = fmt.Errorf("%w%s", err, excerpt(text)) // the message of b.Fatal
	}
	found, perr := parseBenchmarks(bytes.NewReader(out))
	if err == nil {
		err = perr
	}
	for line := range strings.Lines(string(out)) {
		if cpu, ok := strings.CutPrefix(line, "cpu: "); ok {
			r.cpu = strings.TrimSpace(cpu)
		}
	}
	return found, err // some benchmarks may have finished before the failure
}

// measureHandle measures the handling of one request.
func measureHandle(ctx context.Context, r *runner) (figures, error) {
	found, err := r.goBench(ctx, calloutTest, "^BenchmarkHandle$")
	const plain, sealed = "BenchmarkHandle/plain", "BenchmarkHandle/sealed"
	return found.pick(map[string]metric{
		"plain-floor":      {plain, "x-floor", 1},
		"sealed-floor":     {sealed, "x-floor", 1},
		"plain-reference":  {plain, "x-reference", 1},
		"sealed-reference": {sealed, "x-reference", 1},
		"plain-allocs":     {plain, "allocs/op", 1},
		"sealed-allocs":    {sealed, "allocs/op", 1},
	}, err)
}

// measureDeadProvider measures connects with API keys while other clients wait for an
// identity provider that hangs.
func measureDeadProvider(ctx context.Context, r *runner) (figures, error) {
	found, err := r.goBench(ctx, calloutTest, "^BenchmarkDeadProvider$")
	const name = "BenchmarkDeadProvider"
	return found.pick(map[string]metric{
		"provider-ratio":  {name, "x-answering", 1},
		"provider-failed": {name, "failed", 1},
		"provider-alone":  {name, "x-alone", 1},
		"provider-p99":    {name, "ms-hanging", 1},
	}, err)
}
