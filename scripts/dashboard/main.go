// Dashboard writes the Grafana dashboard of usher. Its panels and queries are one table, which is
// also made into rules for promtool, and into a page with real data for the picture in
// docs/how-to/monitor.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

//go:generate go run . -grafana ../../deploy/grafana/usher.json

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("dashboard", flag.ContinueOnError)
	flags.SetOutput(stderr)
	grafana := flags.String("grafana", "", "write the dashboard to this `FILE`")
	rules := flags.String("rules", "", "write the queries as recording rules to this `FILE`, for promtool check rules")
	page := flags.String("page", "", "write a page of the panels with data to this `FILE`")
	prometheus := flags.String("prometheus", "http://127.0.0.1:9090", "`URL` of the Prometheus that has the data of the page")
	span := flags.Duration("span", 5*time.Minute, "how much of the data the page shows")
	ago := flags.Duration("ago", 0, "how long ago the data of the page ends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, out := range []struct {
		path string
		make func() ([]byte, error)
	}{
		{*grafana, func() ([]byte, error) { return grafanaJSON(dashboard()) }},
		{*rules, func() ([]byte, error) { return ruleFile(dashboard()), nil }},
		{*page, func() ([]byte, error) {
			return htmlPage(dashboard(), &source{url: *prometheus, span: *span, now: time.Now().Add(-*ago)})
		}},
	} {
		if out.path == "" {
			continue
		}
		data, err := out.make()
		if err != nil {
			return err
		}
		if err := os.WriteFile(out.path, data, 0o644); err != nil { //nolint:gosec // for everybody
			return err
		}
	}
	return nil
}
