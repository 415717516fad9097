package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/urfave/cli/v2"

	"usher/app/identitytable"
)

func identitiesCommand() *cli.Command {
	return &cli.Command{
		Name:  "identities",
		Usage: "test the rules from identities to grants",
		Subcommands: []*cli.Command{{
			Name:      "test",
			Usage:     "compare what identities get with what a table expects",
			UsageText: "usher identities test -c FILE [--json] TABLE",
			Description: "Reads TABLE, a YAML file with identities or tokens and what each of them must get\n" +
				"(docs/reference/identities.md), and decides each as a live request. Exits 4 if one gets\n" +
				"anything else.",
			Flags: []cli.Flag{
				cmdutil.ConfigFlag(),
				&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			},
			Action: identitiesTest,
		}},
	}
}

func identitiesTest(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 1); err != nil {
		return err
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	file := c.Args().First()
	cases, err := identitytable.Load(file, cfg.Credentials.Authorities())
	if err != nil {
		return fault.InConfig(err)
	}
	p, stop, err := openParts(c, cfg)
	if err != nil {
		return err
	}
	defer stop()
	results := identitytable.Run(c.Context, p.ExplanationInputs(), cases)
	if c.Bool("json") {
		err = writeResults(c.App.Writer, results)
	} else {
		err = printResults(c.App.Writer, file, results)
	}
	if err != nil {
		return err
	}
	for i := range results {
		if !results[i].Passed {
			return &fault.Error{Kind: fault.Denied}
		}
	}
	return nil
}

func writeResults(w io.Writer, results []identitytable.Result) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(results)
}

// printResults prints a table of all cases, and then what differs.
func printResults(out io.Writer, file string, results []identitytable.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RESULT\tCASE\tCODE\tUSER\tRULE")
	failed := 0
	for i := range results {
		r := &results[i]
		result := "ok"
		if !r.Passed {
			result = "differs"
			failed++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", result, r.Name, r.Got.Code, cmp.Or(r.User(), "-"), cmp.Or(r.Rule(), "-"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range results {
		r := &results[i]
		for _, d := range r.Differences {
			fmt.Fprintf(out, "%s:%d: %s: %s: expected %s, got %s\n", file, r.Line, r.Name, d.Key, d.Expected, cmp.Or(d.Got, "none"))
		}
		if !r.Passed && r.Got.Cause != "" {
			fmt.Fprintf(out, "%s:%d: %s: cause: %s\n", file, r.Line, r.Name, r.Got.Cause)
		}
	}
	verb := "differ"
	if failed == 1 {
		verb = "differs"
	}
	_, err := fmt.Fprintf(out, "%s, %d %s\n", plural.Count(len(results), "case"), failed, verb)
	return err
}
