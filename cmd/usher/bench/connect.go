package bench

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/assembly"
	"usher/app/bench"
	"usher/cmd/usher/cmdutil"
)

func runConnect(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	cfg, err := connectConfig(c)
	if err != nil {
		return err
	}
	if cfg.Target, err = targetFrom(c); err != nil {
		return err
	}
	b, err := bench.NewConnect(c.Context, cfg)
	if err != nil {
		return startError(c, err)
	}
	stop := cmdutil.ShowProgress(c, func() string {
		begun, connected, failed, inFlight := b.Progress()
		return fmt.Sprintf("%d of %d begun, %d connected, %d failed, %d in flight", begun, cfg.Connects, connected, failed, inFlight)
	})
	r := b.Run(c.Context)
	stop()
	if err := printReport(c, connectReport(&cfg, &r)); err != nil {
		return err
	}
	o := connectOutcome(&r)
	o.notes(c.App.ErrWriter)
	return o.err()
}

// connectConfig reads and checks the options.
func connectConfig(c *cli.Context) (bench.ConnectConfig, error) {
	cfg := bench.ConnectConfig{Rate: c.Float64("rate"), Hold: c.Duration("hold"), Now: time.Now}
	d := c.Duration("duration")
	clients := float64(c.Int("clients"))
	switch {
	case !(cfg.Rate > 0 && cfg.Rate <= maxRate): // also false for NaN
		return cfg, cmdutil.UsageError("", "--rate %g: expected more than 0 and at most %d", cfg.Rate, maxRate)
	case d <= 0 || d > maxDuration:
		return cfg, cmdutil.UsageError("", "--duration %s: expected more than 0 and at most %s", d, maxDuration)
	case c.IsSet("clients") && c.IsSet("duration"):
		return cfg, cmdutil.UsageError("", "--clients and --duration: give only one of them")
	case c.IsSet("clients") && (clients < 1 || clients > maxClients):
		return cfg, cmdutil.UsageError("", "--clients %.0f is not between 1 and %d", clients, maxClients)
	case c.IsSet("clients") && clients/cfg.Rate > maxDuration.Seconds():
		return cfg, cmdutil.UsageError("", "--clients %.0f at --rate %[3]g takes more than %[2]s", clients, maxDuration, cfg.Rate)
	case cfg.Hold < 0 || cfg.Hold > maxDuration:
		return cfg, cmdutil.UsageError("", "--hold %s is not between 0 and %s", cfg.Hold, maxDuration)
	}
	if !c.IsSet("clients") {
		clients = max(math.Round(cfg.Rate*d.Seconds()), 1)
	}
	if clients > maxConnects {
		return cfg, cmdutil.UsageError("lower --rate or --duration", "%.0f connects are more than %d", clients, maxConnects)
	}
	cfg.Connects = int(clients)
	var err error
	if cfg.MaxInFlight, err = maxInFlight(c); err != nil {
		return cfg, err
	}
	if held := min(cfg.Rate*cfg.Hold.Seconds(), clients); held > float64(cfg.MaxInFlight) {
		return cfg, cmdutil.UsageError("lower --rate or --hold, or raise --max-in-flight",
			"--hold %s at --rate %g keeps %.0f connections open, more than --max-in-flight, %d", cfg.Hold, cfg.Rate, held, cfg.MaxInFlight)
	}
	return cfg, nil
}

// maxInFlight returns --max-in-flight. The default is limited by the open files.
func maxInFlight(c *cli.Context) (int, error) {
	const flag = "max-in-flight"
	n := c.Int(flag)
	if !c.IsSet(flag) {
		n = defaultMaxInFlight
		if limit, ok := assembly.MaxOpenFiles(); ok && limit < defaultMaxInFlight+spareFiles {
			n = max(int(limit)-spareFiles, 1)
		}
	}
	if n < 1 || n > maxClients {
		return 0, cmdutil.UsageError("", "--%s %d is not between 1 and %d", flag, n, maxClients)
	}
	return n, checkOpenFiles("--"+flag, n)
}

// connectJSON is what "usher bench connect --json" prints.
type connectJSON struct {
	Kind         bench.Kind       `json:"kind"`
	Server       string           `json:"server"`
	Rate         float64          `json:"rate"`
	DurationMS   float64          `json:"duration_ms"`
	HoldMS       float64          `json:"hold_ms"`
	AchievedRate float64          `json:"achieved_rate"`
	Attempts     int64            `json:"attempts"`
	Connected    int64            `json:"connected"`
	Interrupted  bool             `json:"interrupted"`
	ElapsedMS    float64          `json:"elapsed_ms"`
	BeginLagMS   float64          `json:"begin_lag_ms"`
	Failures     map[string]int64 `json:"failures"`
	ConnectMS    struct {
		P50  *float64 `json:"p50"`
		P90  *float64 `json:"p90"`
		P99  *float64 `json:"p99"`
		P999 *float64 `json:"p999"`
		Max  *float64 `json:"max"`
	} `json:"connect_ms"`
}

func connectReport(cfg *bench.ConnectConfig, r *bench.ConnectResult) *connectJSON {
	begin := time.Duration(float64(cfg.Connects) / cfg.Rate * float64(time.Second))
	j := &connectJSON{
		Kind: r.Kind, Server: strings.Join(r.Servers, ","), Rate: r.Rate, DurationMS: ms(begin), HoldMS: ms(cfg.Hold), AchievedRate: math.Round(r.AchievedRate*1000) / 1000,
		Attempts: r.Attempts, Connected: r.Connected, Interrupted: r.Interrupted,
		ElapsedMS: ms(r.Elapsed), BeginLagMS: ms(r.BeginLag), Failures: countsByName(r.Failures),
	}
	took := quantile(r.Took)
	q := &j.ConnectMS
	q.P50, q.P90, q.P99, q.P999, q.Max = took(0.5), took(0.9), took(0.99), took(0.999), took(1)
	return j
}

func (j *connectJSON) printText(w io.Writer) {
	fmt.Fprintf(w, "connects\t%d in %s, %s\n", j.Attempts, roundedMS(&j.ElapsedMS), j.Kind)
	fmt.Fprintf(w, "connected\t%d, %.1f/s of %g/s requested\n", j.Connected, j.AchievedRate, j.Rate)
	fmt.Fprintf(w, "failed\t%d%s\n", j.Attempts-j.Connected, causeList(j.Failures))
	fmt.Fprintf(w, "latest start\t%s late\n", roundedMS(&j.BeginLagMS))
	fmt.Fprint(w, "\nshare\t50%\t90%\t99%\t99.9%\t100%\n")
	q := &j.ConnectMS
	fmt.Fprintf(w, "connect latency\t%s\t%s\t%s\t%s\t%s\n", roundedMS(q.P50), roundedMS(q.P90), roundedMS(q.P99), roundedMS(q.P999), roundedMS(q.Max))
}
