// Package ban has the command usher ban: refuse somebody for a time.
//
// It promises that every ban has an end and a reason. It never takes a credential, only its
// digest.
package ban

import (
	"context"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/directory"
)

// Command returns "usher ban".
func Command() *cli.Command {
	resource := &remote.Resource[wire.Ban, wire.BanList]{
		Noun: "ban", Args: "BAN",
		Columns: []remote.Column[wire.Ban]{
			{Name: "id", Value: func(b *wire.Ban) string { return b.ID }},
			{Name: "of", Value: targetText},
			{Name: "until", Value: func(b *wire.Ban) string { return remote.FormatTime(b.Until) }},
			{Name: "in force", Value: func(b *wire.Ban) string { return remote.YesNo(b.InForce) }},
			{Name: "by", Value: func(b *wire.Ban) string { return b.By }},
			{Name: "reason", Value: func(b *wire.Ban) string { return b.Reason }},
		},
		List:  func(ctx context.Context, r *remote.Session) (*wire.BanList, error) { return r.API.Bans(ctx) },
		Items: func(l *wire.BanList) []wire.Ban { return l.Bans },
		Get: func(ctx context.Context, r *remote.Session) (*wire.Ban, client.ETag, error) {
			return r.API.Ban(ctx, r.Arg(0))
		},
	}
	return remote.Group("ban", "refuse a user, a key, a network or a device for a time", append(resource.Commands(),
		remote.Command{
			Name: "add", Usage: "ban somebody for a time", RequiredFlags: []string{"reason"},
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "user", Usage: "the user `U`, with every credential"},
				&cli.StringFlag{Name: "key", Usage: "only the key `K` of --user"},
				&cli.StringFlag{Name: "digest", Usage: "the credential with the digest `D`, sha256:…"},
				&cli.StringFlag{Name: "network", Usage: "clients from the address or network `NET`, such as 192.0.2.0/24"},
				&cli.StringFlag{Name: "mqtt-client-id", Usage: "MQTT clients with the client id `ID`"},
				&cli.StringFlag{Name: "account", Usage: "--mqtt-client-id only in the NATS account `A`", DefaultText: "in all accounts"},
				&cli.StringFlag{Name: "authority", Usage: "an identity of the authority `A`, with --id or --sid"},
				&cli.StringFlag{Name: "id", Usage: "what the authority calls the identity, `ID`"},
				&cli.StringFlag{Name: "sid", Usage: "one of its sessions at the authority, the OIDC `SID`"},
				&cli.StringFlag{Name: "issued-before", Usage: "only tokens of the identity from before the `INSTANT`", DefaultText: "all of its tokens"},
				&cli.StringFlag{Name: "for", Usage: "`TIME` for which the ban holds, such as 1h"},
				&cli.StringFlag{Name: "until", Usage: "`INSTANT` at which it ends, such as 2030-01-01T00:00:00Z"},
				&cli.StringFlag{Name: "reason", Usage: "`TEXT` for operators, in one line; clients do not see it"},
			},
			Description: "Whoever is banned is denied at the next connect; live sessions are closed where\n" +
				"usher has a system user for sessions. The digest of an API key is the one that\n" +
				"usher apikey prints.",
			ConflictHint: "the ban must leave a service_admin who can lift it",
			Run:          add,
		},
		remote.Command{
			Name: "lift", Usage: "end a ban", Args: "BAN",
			Description: "BAN is the id in usher ban list.",
			Run: func(ctx context.Context, r *remote.Session) error {
				if err := r.API.LiftBan(ctx, r.Arg(0)); err != nil {
					return err
				}
				return r.PrintDone(wire.Empty{}, "lifted ban %s", r.Arg(0))
			},
		},
	)...)
}

func targetText(b *wire.Ban) string {
	text := ofText(b)
	if !b.IssuedBefore.IsZero() {
		text += ", tokens from before " + b.IssuedBefore.UTC().Format(time.RFC3339)
	}
	return text
}

func ofText(b *wire.Ban) string {
	switch {
	case b.Key != "":
		return "key " + b.Key + " of user " + b.User
	case b.User != "":
		return "user " + b.User
	case b.Digest != "":
		return "credential " + b.Digest
	case b.Network != "":
		return "network " + b.Network
	case b.MQTTClientID != "" && b.Account != "":
		return "MQTT client id " + b.MQTTClientID + " in " + b.Account
	case b.MQTTClientID != "":
		return "MQTT client id " + b.MQTTClientID
	case b.SessionID != "":
		return "session " + b.SessionID + " of " + b.Authority
	case b.IdentityID != "":
		return "identity " + b.IdentityID + " of " + b.Authority
	}
	return "a user who is gone"
}

func add(ctx context.Context, r *remote.Session) error {
	in, err := inputOf(r.CLI)
	if err != nil {
		return err
	}
	b, err := r.API.CreateBan(ctx, in)
	if err != nil {
		return err
	}
	return r.PrintDone(b, "banned %s until %s; usher ban lift %s ends it", remote.Printable(targetText(b)), b.Until.Format(time.RFC3339), b.ID)
}

func inputOf(c *cli.Context) (*wire.BanInput, error) {
	in := &wire.BanInput{
		BanTarget: wire.BanTarget{
			User: c.String("user"), Key: c.String("key"), Digest: c.String("digest"), Network: c.String("network"),
			MQTTClientID: c.String("mqtt-client-id"), Account: c.String("account"),
			Authority: c.String("authority"), IdentityID: c.String("id"), SessionID: c.String("sid"),
		},
		Reason: c.String("reason"),
	}
	if err := checkTarget(in); err != nil {
		return nil, err
	}
	life, err := cmdutil.PositiveDuration(c, "for", "the ban would have ended already")
	if err != nil {
		return nil, err
	}
	if in.Until, err = remote.TimeOption(c, "until"); err != nil {
		return nil, err
	}
	if (life > 0) == (in.Until != nil) {
		return nil, cmdutil.UsageError("such as --for 1h", "give one of --for and --until: every ban has an end")
	}
	if life > 0 {
		in.For = life.String()
	}
	in.IssuedBefore, err = remote.TimeOption(c, "issued-before")
	return in, err
}

// checkTarget refuses what names no target, or several, and a credential in place of a digest,
// before anything leaves the machine.
func checkTarget(in *wire.BanInput) error {
	var digest directory.Digest
	if in.Digest != "" && digest.UnmarshalText([]byte(in.Digest)) != nil {
		return cmdutil.UsageError("usher apikey prints the digest of a key", "--digest: expected sha256: and 64 hex digits")
	}
	var named []string
	for _, t := range []struct{ option, value string }{
		{"--user", in.User}, {"--digest", in.Digest}, {"--network", in.Network}, {"--mqtt-client-id", in.MQTTClientID}, {"--authority", in.Authority},
	} {
		if t.value != "" {
			named = append(named, t.option)
		}
	}
	const targets = "one of --user, --digest, --network, --mqtt-client-id and --authority"
	switch {
	case len(named) == 0:
		return cmdutil.UsageError("give "+targets, "nobody to ban")
	case len(named) > 1:
		return cmdutil.UsageError("make a ban for each", "%s: give only one of them", strings.Join(named, " and "))
	case in.Key != "" && in.User == "":
		return cmdutil.UsageError("a key is named by its user and its id", "--key needs --user")
	case in.Account != "" && in.MQTTClientID == "":
		return cmdutil.UsageError("", "--account needs --mqtt-client-id")
	case (in.IdentityID != "" || in.SessionID != "") && in.Authority == "":
		return cmdutil.UsageError("", "--id and --sid need --authority")
	case in.Authority != "" && (in.IdentityID == "") == (in.SessionID == ""):
		return cmdutil.UsageError("", "--authority needs one of --id and --sid")
	}
	return nil
}
