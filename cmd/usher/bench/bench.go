package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/app/setup"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"

	"usher/app/bench"
)

// benchWords are what is said of one load.
type benchWords struct {
	what    string
	asked   string // fields of the JSON
	figures string // what the others mean, where that needs to be said
}

// benchHelp is what both loads have in common, below what is said of one.
func benchHelp(own benchWords, without ...bench.Cause) string {
	var b strings.Builder
	b.WriteString(own.what + "\n\n" +
		"With --json times are milliseconds, and null if that was not reached; server,\n" +
		own.asked + " say what was asked for. begin_lag_ms is how late\n" +
		"the latest one began: if it is long, this machine was the bottleneck.\n" +
		own.figures + "\n" +
		"Exits 0 when all connected, 1 when some did not, and 130 when Ctrl-C or SIGTERM\n" +
		"ended it early; what was measured until then is printed.\n\n" +
		"Failed attempts are counted by cause:\n")
	for _, cause := range bench.Causes() {
		if !slices.Contains(without, cause) {
			fmt.Fprintf(&b, "  %-13s  %s\n", cause, cause.Meaning())
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func BenchCommand() *cli.Command {
	flags := func(own ...cli.Flag) []cli.Flag {
		return append(append([]cli.Flag{
			&cli.StringFlag{Name: "server", Aliases: []string{"s"}, Usage: "`URL` of nats-server; several with commas", Value: "nats://" + setup.DefaultListen},
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` with tokens, one on each line, for the clients in turn; - reads stdin; default: no credential"},
			&cli.StringFlag{Name: "user", Usage: "user `NAME` to go with them, such as project=P; the token is its password"},
			&cli.StringFlag{Name: "kind", Usage: "`KIND` of connection: tcp or websocket; default: what the URL says"},
		}, append(cmdutil.TLSFlags(), own...)...),
			&cli.BoolFlag{Name: "allow-remote", Usage: "connect to addresses that are not loopback, too"},
			&cli.BoolFlag{Name: "json", Usage: "print one line of JSON on stdout"})
	}
	return &cli.Command{
		Name:  "bench",
		Usage: "measure how clients come in, with a load on a live nats-server",
		Subcommands: []*cli.Command{
			{
				Name: "connect", Usage: "connect at a steady rate",
				UsageText: "usher bench connect [-s URL] [--token-file FILE] [--rate R] [--duration TIME]\n" +
					"    [--clients N] [--hold TIME] [--json]",
				Description: benchHelp(benchWords{what: "Each connect is a whole one, from the dial to the server's PONG, with one try of 2 s.\n" +
					"It begins when its time has come, whether or not those before it are done, and its\n" +
					"latency counts from that time.", asked: "rate, duration_ms and hold_ms"}),
				Flags: flags(
					&cli.Float64Flag{Name: "rate", Usage: "`R` connects a second; default: 100", Value: 100},
					&cli.DurationFlag{Name: "duration", Usage: "`TIME` over which connects begin", Value: 10 * time.Second},
					&cli.IntFlag{Name: "clients", Usage: "`N` connects in all, in place of --duration"},
					&cli.DurationFlag{Name: "hold", Usage: "`TIME` that each connection stays open; default: none"},
					&cli.IntFlag{Name: "max-in-flight", Usage: "`N` connections at most that are being made or held, more are counted as failed; default: 5000, or as many files as may be open"},
				),
				Action: benchConnect,
			},
			{
				Name: "storm", Usage: "connect many clients at once, as after an outage",
				UsageText: "usher bench storm [-s URL] [--token-file FILE] [--clients N] [--spread TIME]\n" +
					"    [--duration TIME] [--json]",
				Description: benchHelp(benchWords{
					what: "Each client tries as a nats.go application does with RetryOnFailedConnect: 2 s for\n" +
						"an attempt, 2 s and a little until the next, and closed for good after two refusals\n" +
						"by the same server. It ends when every client is connected or closed for good; until\n" +
						"then those connected stay. --spread must not be longer than --duration.",
					asked: "clients, spread_ms and duration_ms",
					figures: "connected_ms is when that share of all clients was connected, from the start of the\n" +
						"storm; client_ms is how long those that connected took, each from its own begin.\n",
				}, bench.MaxInFlight),
				Flags: flags(
					&cli.IntFlag{Name: "clients", Usage: "`N` clients; default: 1000", Value: 1000},
					&cli.DurationFlag{Name: "spread", Usage: "`TIME` over which the clients begin, --duration at most; default: all at once"},
					&cli.DurationFlag{Name: "duration", Usage: "`TIME` after which it ends, whoever is in", Value: time.Minute},
				),
				Action: benchStorm,
			},
		},
	}
}
