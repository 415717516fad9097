// Command bench measures usher against its targets and prints both side by side: "make
// bench". Where possible a figure is a ratio within one run, because absolute times of
// another machine are hard to compare.
//
// Everything that it starts listens on loopback, keeps its files in a temporary directory
// and stops with it. Nothing else should run on the machine at the same time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"usher/scripts/bench/machine"
)

// Exit codes.
const (
	exitOK          = 0
	exitMissed      = 1 // a target was missed by more than 10 %, or a step failed
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	// After the first signal the default handler is restored: a second Ctrl-C ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const help = `bench: measure against the targets, in some 17 minutes on an idle machine

The command builds usher, nats-server and a reference, starts them on loopback in
a temporary directory, and prints the results beside the targets. It prints
progress to stderr.

Storms run with the reference and with usher by turns. The reference is the one
with 1 or with 4 connections, whichever does better in a calibration.

Exit codes: 0 no target was missed by more than 10 %; 1 a target was missed or a
step failed; 2 wrong usage; 130 Ctrl-C or SIGTERM.

`

// options are the command line options.
type options struct {
	only    string
	rounds  int
	clients string
	sizes   []int // from clients
	json    bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, help)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.only, "only", "", "comma-separated `PARTS` to measure: "+partNames()+"; default: all")
	flags.IntVar(&o.rounds, "rounds", 5, fmt.Sprintf("rounds of each storm, with the reference and with usher by turns; at most %d with more\nthan %s clients, and %d with more than %s. If more than 1, the steady load has %d", largeRounds, thousands(notLarge), largestRounds, thousands(largest), steadyRounds))
	flags.StringVar(&o.clients, "clients", defaultSizes, "comma-separated `SIZES` of storms. Up to "+thousands(notLarge)+" clients are compared with the reference,\nplain and sealed; more, plain only, should recover")
	flags.BoolVar(&o.json, "json", false, "print one JSON object instead of the table")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	steps, err := selectSteps(o)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: error: %v\n", err)
		return exitUsage
	}
	report, err := measure(ctx, o, steps, stderr)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: error: interrupted")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "bench: error: %v\n", err)
		return exitMissed
	}
	printReport := report.printText
	if o.json {
		printReport = report.printJSON
	}
	if err := printReport(stdout); err != nil {
		fmt.Fprintf(stderr, "bench: error: %v\n", err)
		return exitMissed
	}
	if report.count(missed)+report.count(failed) > 0 {
		return exitMissed
	}
	return exitOK
}

// measure runs the steps one after the other. A failed step does not stop the others.
func measure(ctx context.Context, o options, steps []step, progress io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "usher-bench-")
	if err != nil {
		return nil, fmt.Errorf("create temporary directory: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system cleans its temporary directory
	r := &runner{dir: dir, rounds: o.rounds, progress: progress}
	r.build(ctx, steps)
	var report report
	for i, s := range steps {
		r.logf("%s (%d of %d)", s.name, i+1, len(steps))
		start := time.Now()
		found, err := s.run(ctx, r)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.logf("%s: %v", s.name, err)
		}
		r.logf("  took %.0f s", time.Since(start).Seconds())
		report.add(s, found, err)
	}
	report.Machine = machine.Describe(ctx, r.cpu, natsServerModule, output)
	return &report, nil
}
