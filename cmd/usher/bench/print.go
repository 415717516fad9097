package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/bench"
)

// report is the result of a run. Its JSON form is its own encoding.
type report interface {
	printText(w io.Writer)
}

func printReport(c *cli.Context, r report) error {
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(r)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	r.printText(w)
	return w.Flush()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile returns a function that returns the time of a share in ms, or nil if that share
// was not reached.
func quantile(s bench.Samples) func(share float64) *float64 {
	return func(share float64) *float64 {
		d, ok := s.At(share)
		if !ok {
			return nil
		}
		v := ms(d)
		return &v
	}
}

// roundedMS formats milliseconds with three significant digits.
func roundedMS(v *float64) string {
	if v == nil {
		return "not reached"
	}
	d := time.Duration(*v * float64(time.Millisecond))
	unit := time.Microsecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// countsByName maps the names of causes to their counts, without those in except.
func countsByName(failures map[bench.Cause]int64, except ...bench.Cause) map[string]int64 {
	m := make(map[string]int64, len(failures))
	for cause, n := range failures {
		m[cause.String()] = n
	}
	for _, cause := range except {
		delete(m, cause.String())
	}
	return m
}

// causeList lists the causes that occurred, with their counts.
func causeList(failures map[string]int64) string {
	var text []string
	for _, cause := range bench.Causes() {
		if n := failures[cause.String()]; n > 0 {
			text = append(text, fmt.Sprintf("%s %d", cause, n))
		}
	}
	if len(text) == 0 {
		return ""
	}
	return ": " + strings.Join(text, ", ")
}
