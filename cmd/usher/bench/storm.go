package bench

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/bench"
	"usher/cmd/usher/cmdutil"
)

func runStorm(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	cfg := bench.StormConfig{Clients: c.Int("clients"), Spread: c.Duration("spread"), Duration: c.Duration("duration"), Now: time.Now}
	switch {
	case cfg.Clients < 1 || cfg.Clients > maxClients:
		return cmdutil.UsageError("", "--clients %d is not between 1 and %d", cfg.Clients, maxClients)
	case cfg.Duration <= 0 || cfg.Duration > maxDuration:
		return cmdutil.UsageError("", "--duration %s: expected more than 0 and at most %s", cfg.Duration, maxDuration)
	case cfg.Spread < 0 || cfg.Spread > cfg.Duration:
		return cmdutil.UsageError("", "--spread %s is not between 0 and --duration, %s", cfg.Spread, cfg.Duration)
	}
	if err := checkOpenFiles("--clients", cfg.Clients); err != nil {
		return err
	}
	var err error
	if cfg.Target, err = targetFrom(c); err != nil {
		return err
	}
	s, err := bench.NewStorm(c.Context, cfg)
	if err != nil {
		return startError(c, err)
	}
	stop := cmdutil.ShowProgress(c, func() string {
		connected, closed, failed := s.Progress()
		return fmt.Sprintf("%d of %d connected, %d closed for good, %d attempts failed", connected, cfg.Clients, closed, failed)
	})
	r := s.Run(c.Context)
	stop()
	defer s.Close() // after the report, so that who reads it sees the servers as the storm left them
	if err := printReport(c, stormReport(&cfg, &r)); err != nil {
		return err
	}
	o := stormOutcome(&r)
	o.notes(c.App.ErrWriter)
	return o.err()
}

// stormJSON is what "usher bench storm --json" prints.
type stormJSON struct {
	Kind                    bench.Kind       `json:"kind"`
	Server                  string           `json:"server"`
	Clients                 int              `json:"clients"`
	SpreadMS                float64          `json:"spread_ms"`
	DurationMS              float64          `json:"duration_ms"`
	Connected               int              `json:"connected"`
	ClosedForGood           int              `json:"closed_for_good"`
	Interrupted             bool             `json:"interrupted"`
	ElapsedMS               float64          `json:"elapsed_ms"`
	BeginLagMS              float64          `json:"begin_lag_ms"`
	FailedAttempts          int64            `json:"failed_attempts"`
	FailedAttemptsPerClient float64          `json:"failed_attempts_per_client"`
	Failures                map[string]int64 `json:"failures"`
	ConnectedMS             struct {
		P50  *float64 `json:"p50"`
		P90  *float64 `json:"p90"`
		P99  *float64 `json:"p99"`
		P100 *float64 `json:"p100"`
	} `json:"connected_ms"`
	ClientMS struct {
		P50 *float64 `json:"p50"`
		P90 *float64 `json:"p90"`
		P99 *float64 `json:"p99"`
		Max *float64 `json:"max"`
	} `json:"client_ms"`
}

func stormReport(cfg *bench.StormConfig, r *bench.StormResult) *stormJSON {
	j := &stormJSON{
		Kind: r.Kind, Server: strings.Join(r.Servers, ","), Clients: r.Clients,
		SpreadMS: ms(cfg.Spread), DurationMS: ms(cfg.Duration), Connected: r.Connected, ClosedForGood: r.ClosedForGood, Interrupted: r.Interrupted,
		ElapsedMS: ms(r.Elapsed), BeginLagMS: ms(r.BeginLag),
		FailedAttempts: r.FailedAttempts, FailedAttemptsPerClient: float64(r.FailedAttempts) / float64(r.Clients),
		Failures: countsByName(r.Failures, bench.MaxInFlight),
	}
	at, took := quantile(r.ConnectedAt), quantile(r.ClientTook)
	j.ConnectedMS.P50, j.ConnectedMS.P90, j.ConnectedMS.P99, j.ConnectedMS.P100 = at(0.5), at(0.9), at(0.99), at(1)
	j.ClientMS.P50, j.ClientMS.P90, j.ClientMS.P99, j.ClientMS.Max = took(0.5), took(0.9), took(0.99), took(1)
	return j
}

func (j *stormJSON) printText(w io.Writer) {
	fmt.Fprintf(w, "clients\t%d, %s\n", j.Clients, j.Kind)
	fmt.Fprintf(w, "connected\t%d in %s\n", j.Connected, roundedMS(&j.ElapsedMS))
	fmt.Fprintf(w, "closed for good\t%d\n", j.ClosedForGood)
	fmt.Fprintf(w, "failed attempts\t%d, %.2f per client%s\n", j.FailedAttempts, j.FailedAttemptsPerClient, causeList(j.Failures))
	fmt.Fprintf(w, "latest start\t%s late\n", roundedMS(&j.BeginLagMS))
	fmt.Fprint(w, "\nshare\t50%\t90%\t99%\t100%\n")
	c := &j.ConnectedMS
	fmt.Fprintf(w, "of all clients connected after\t%s\t%s\t%s\t%s\n", roundedMS(c.P50), roundedMS(c.P90), roundedMS(c.P99), roundedMS(c.P100))
	e := &j.ClientMS
	fmt.Fprintf(w, "connected clients took\t%s\t%s\t%s\t%s\n", roundedMS(e.P50), roundedMS(e.P90), roundedMS(e.P99), roundedMS(e.Max))
}
