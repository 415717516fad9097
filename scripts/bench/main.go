// Command bench measures usher against its targets and prints both side by
// side: "make bench". Each figure is a ratio within this one run wherever that
// is possible, because times of another machine say little.
//
// Everything it starts listens on loopback, lives in a temporary directory, and
// ends with it. Nothing else should run on the machine meanwhile.
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
)

// Exit codes.
const (
	exitOK          = 0
	exitMissed      = 1 // by more than 10 %, or not measured: failed
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	// After the first signal the default comes back: a second Ctrl-C ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const help = `bench: measure against the targets, about 8 minutes on an idle machine; up to 13
where storms do not recover

It builds usher, nats-server and a reference, starts them on loopback in a
temporary directory, and prints what it measured beside the targets. Progress
goes to stderr.

Exits 0 when no target was missed by more than 10 %, 1 when one was or something
failed, 2 on wrong usage, and 130 when Ctrl-C or SIGTERM ended it.

`

// options are what the command line says.
type options struct {
	only    string
	rounds  int
	clients int
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
	flags.StringVar(&o.only, "only", "", "measure these `PARTS` alone: "+partNames()+", with commas")
	flags.IntVar(&o.rounds, "rounds", 3, fmt.Sprintf("how often storms are measured; above 1 steady load is %d times", steadyRounds))
	flags.IntVar(&o.clients, "clients", 8000, "clients of the storm; the large one has half as many more")
	flags.BoolVar(&o.json, "json", false, "print one JSON object instead of the table")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	steps, err := choose(o)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%q is no option", flags.Arg(0))
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
	show := report.printText
	if o.json {
		show = report.printJSON
	}
	if err := show(stdout); err != nil {
		fmt.Fprintf(stderr, "bench: error: %v\n", err)
		return exitMissed
	}
	if report.count(missed)+report.count(failed) > 0 {
		return exitMissed
	}
	return exitOK
}

// measure takes one step after the other; one that fails does not prevent the
// others.
func measure(ctx context.Context, o options, steps []step, progress io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "usher-bench-")
	if err != nil {
		return nil, fmt.Errorf("make temporary directory: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it lies where such things are cleared away
	r := &runner{dir: dir, rounds: o.rounds, progress: progress}
	r.build(ctx, steps)
	var report report
	for i, s := range steps {
		r.say("%s (%d of %d)", s.name, i+1, len(steps))
		found, err := s.run(ctx, r)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.say("%s: %v", s.name, err)
		}
		report.add(s, found, err)
	}
	report.Machine = r.machine(ctx)
	return &report, nil
}
