package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/demo/gateway"
	"usher/app/setup"
	"usher/cmd/usher/cmdutil"
	"usher/internal/shellword"
)

// runGateway runs an event gateway.
func runGateway(c *cli.Context) error {
	o, err := gatewayOptions(c)
	if err != nil {
		return err
	}
	return inFolder(c, func(ctx context.Context, dir string, stdout, stderr io.Writer) error {
		r, err := gateway.Prepare(ctx, dir, o)
		if err != nil {
			return err
		}
		r.Note = func(w io.Writer, text string) { cmdutil.Note(w, text) }
		r.Announce = func(s gateway.Site) error { return printSiteText(stdout, &s) }
		r.Event = func(e gateway.Event) error { return printEventText(stdout, &e) }
		if c.Bool("json") {
			lines := json.NewEncoder(stdout)
			r.Announce = func(s gateway.Site) error { return lines.Encode(s) }
			r.Event = func(e gateway.Event) error { return lines.Encode(e) }
		}
		return r.Run(ctx, stderr)
	})
}

// gatewayOptions reads and checks the options.
func gatewayOptions(c *cli.Context) (gateway.Options, error) {
	o := gateway.Options{Listen: c.String("listen"), API: c.String("api"), HTTP: c.String("http"), Streaming: gateway.Streaming(c.String("streaming"))}
	for option, hint := range map[string]string{
		"operator": "omit --operator: the accounts of an event gateway are in its two nats-server files",
		"oidc":     "omit --oidc: supervisors have tokens that do not end; docs/how-to/oidc.md lets those of a provider in",
	} {
		if c.IsSet(option) {
			return o, cmdutil.UsageError(hint, "--%s does not go with --event-gateway", option)
		}
	}
	if o.Listen != "" && !onLoopback(o.Listen) {
		return o, cmdutil.UsageError("usher init --event-gateway makes one for other machines", "--listen %q is not a loopback address", o.Listen)
	}
	if err := checkAPI(o.API); err != nil {
		return o, err
	}
	if o.Streaming == "" {
		return o, nil
	}
	return o, cmdutil.CheckValues("--streaming", []string{string(o.Streaming)}, gateway.Streamings())
}

// printSiteText prints what runs where, and commands to paste. They read tokens from
// files.
func printSiteText(w io.Writer, s *gateway.Site) error {
	var b strings.Builder
	relative := func(path string) string {
		if name, err := filepath.Rel(s.Dir, path); err == nil {
			return filepath.ToSlash(name)
		}
		return path
	}
	streaming := map[gateway.Streaming]string{
		gateway.Bridge: "usher's bridge, into a JetStream stream, read over durable " + setup.Durable,
		gateway.STAN:   "NATS Streaming, read over durable " + setup.Durable,
		gateway.Off:    "off",
	}[s.Streaming]
	fmt.Fprintf(&b, `An event gateway runs. Its files are in %s. Stop with Ctrl-C.

  supervisors             TLS and a token; usher decides about each token
       |
  external nats-server    %s   for %s, with %s
       |
    gateway               %s to %s, mutual TLS
       |
  internal nats-server    %s   for %s, with %s
       |
  applications-service    mutual TLS; reads habitat.event.> in queue group automate

  NATS Streaming, of old supervisors: %s

Paste into another terminal:

`, s.Dir, s.External.URL, s.External.Name, relative(s.External.Cert), s.External.Gateway, s.Internal.Gateway,
		s.Internal.URL, s.Internal.Name, relative(s.Internal.Cert), streaming)
	const ok = "habitat.event.healthcheck up"
	supervisor := s.Supervisors[0].Token
	command := func(comment, subcommand, token, args string) {
		fmt.Fprintf(&b, "# %s\n%s try %s -s %s --ca %s --token-file %s %s\n\n", comment,
			cmdutil.Self(), subcommand, s.External.URL, shellword.Quote(s.CA), shellword.Quote(token), args)
	}
	command("a supervisor of your own publishes an event, which is printed below", "publish", supervisor, ok)
	fmt.Fprintf(&b, "# the same with the nats CLI\nnats -s %s --tlsca %s --token \"$(cat %s)\" pub %s\n\n", s.External.URL, shellword.Quote(s.CA), shellword.Quote(supervisor), ok)
	command("refused: it may not read the events of others", "subscribe", supervisor, "'habitat.event.>'")
	command("refused: this token expired on 2024-12-31", "publish", s.Refused.Token, ok)
	if s.API != "" && s.Admin != nil {
		fmt.Fprintf(&b, "# who is connected; session show says why, session kick closes a connection\n%s session list -s %s --key-file %s\n\n",
			cmdutil.Self(), s.API, shellword.Quote(s.Admin.Token))
	}
	b.WriteString("Events that the applications service gets:\n\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// printEventText prints a line for an event.
func printEventText(w io.Writer, e *gateway.Event) error {
	from := "no event of a supervisor"
	if e.Supervisor != "" {
		from = "from supervisor " + e.Supervisor
	}
	_, err := fmt.Fprintf(w, "%s  %-36s  %s, over %s\n", e.Time.Format(time.TimeOnly), e.Subject, from, e.Over)
	return err
}
