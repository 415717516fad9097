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

// helpText is the part of the help that differs between the two loads.
type helpText struct {
	load       string // what the clients do
	parameters string // JSON fields that repeat the options
	results    string // meaning of the other JSON fields, if not obvious
}

// loadHelp returns the description of a load: its own text, then the common part.
func loadHelp(own helpText, without ...bench.Cause) string {
	var b strings.Builder
	b.WriteString(own.load + "\n\n" +
		"With --json times are in milliseconds, and null if not reached; server,\n" +
		own.parameters + " repeat the options. begin_lag_ms is how late the\n" +
		"latest connect started: if it is large, this machine was the bottleneck.\n" +
		own.results + "\n" +
		"Exits 0 if all clients connected, 1 if some did not, and 130 if Ctrl-C or SIGTERM\n" +
		"ended the run early; it then prints what it has measured.\n\n" +
		"Failed attempts are counted by cause:\n")
	for _, cause := range bench.Causes() {
		if !slices.Contains(without, cause) {
			fmt.Fprintf(&b, "  %-13s  %s\n", cause, cause.Meaning())
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Command returns "usher bench".
func Command() *cli.Command {
	flags := func(own ...cli.Flag) []cli.Flag {
		return append(append([]cli.Flag{
			&cli.StringFlag{Name: "server", Aliases: []string{"s"}, Usage: "`URL` of nats-server; separate several with commas", Value: "nats://" + setup.DefaultListen},
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` with one token a line, used in turn; - reads stdin", DefaultText: "no credential"},
			&cli.StringFlag{Name: "user", Usage: "user `NAME`, such as project=P; the token is sent as the password"},
			&cli.StringFlag{Name: "kind", Usage: "`KIND` of connection: tcp or websocket", DefaultText: "that of the URL"},
		}, append(cmdutil.TLSFlags(), own...)...),
			&cli.BoolFlag{Name: "allow-remote", Usage: "allow addresses that are not loopback"},
			&cli.BoolFlag{Name: "json", Usage: "print one line of JSON"})
	}
	return &cli.Command{
		Name:  "bench",
		Usage: "measure how fast clients connect to a live nats-server",
		Subcommands: []*cli.Command{
			{
				Name: "connect", Usage: "connect at a steady rate",
				UsageText: "usher bench connect [-s URL] [--token-file FILE] [--rate R] [--duration TIME]\n" +
					"    [--clients N] [--hold TIME] [--json]",
				Description: loadHelp(helpText{load: "Each connect is a full one, from the dial to the server's PONG, with one attempt of\n" +
					"2 s. It starts at its scheduled time, even if earlier ones are not done, and its\n" +
					"latency counts from that time.", parameters: "rate, duration_ms and hold_ms"}),
				Flags: flags(
					&cli.Float64Flag{Name: "rate", Usage: "`R` connects per second", Value: 100},
					&cli.DurationFlag{Name: "duration", Usage: "`TIME` during which connects start", Value: 10 * time.Second},
					&cli.IntFlag{Name: "clients", Usage: "`N` connects in total, instead of --duration"},
					&cli.DurationFlag{Name: "hold", Usage: "`TIME` that each connection stays open", DefaultText: "0s"},
					&cli.IntFlag{Name: "max-in-flight", Usage: "at most `N` connections in progress or held; more count as failed", DefaultText: "5000, or the limit of open files"},
				),
				Action: runConnect,
			},
			{
				Name: "storm", Usage: "connect many clients at once, as after an outage",
				UsageText: "usher bench storm [-s URL] [--token-file FILE] [--clients N] [--spread TIME]\n" +
					"    [--duration TIME] [--json]",
				Description: loadHelp(helpText{
					load: "Each client retries like a nats.go application with RetryOnFailedConnect: 2 s per\n" +
						"attempt, 2 s plus jitter between attempts, and closed for good after two denials by\n" +
						"the same server. The run ends when every client is connected or closed for good;\n" +
						"connected clients stay until then. --spread must not exceed --duration.",
					parameters: "clients, spread_ms and duration_ms",
					results: "connected_ms is when that share of all clients was connected, from the start of the\n" +
						"storm; client_ms is how long the connected clients took, each from its own start.\n",
				}, bench.MaxInFlight),
				Flags: flags(
					&cli.IntFlag{Name: "clients", Usage: "`N` clients", Value: 1000},
					&cli.DurationFlag{Name: "spread", Usage: "`TIME` over which the clients start, at most --duration", DefaultText: "all at once"},
					&cli.DurationFlag{Name: "duration", Usage: "`TIME` after which the run ends", Value: time.Minute},
				),
				Action: runStorm,
			},
		},
	}
}
