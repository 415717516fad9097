package manage

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
)

func KeyCommand() *cli.Command {
	reads := &remote.Reader[wire.Key, wire.KeyList]{
		Noun: "key", Args: "USER KEY",
		Columns: []remote.Column[wire.Key]{
			{Name: "name", Cell: func(k *wire.Key) string { return k.Name }},
			{Name: "enabled", Cell: func(k *wire.Key) string { return remote.YesNo(k.Enabled) }},
			{Name: "created", Cell: func(k *wire.Key) string { return remote.TimeText(k.CreatedOn) }},
			{Name: "begins", Cell: func(k *wire.Key) string { return remote.TimeText(k.NotBefore) }},
			{Name: "ends", Cell: func(k *wire.Key) string { return remote.TimeText(k.ExpiresOn) }},
			{Name: "networks", Cell: func(k *wire.Key) string { return remote.CommaList(k.SourceNetworks) }},
		},
		List: func(ctx context.Context, r *remote.Remote) (*wire.KeyList, error) { return r.API.Keys(ctx, r.Arg(0)) },
		Rows: func(l *wire.KeyList) []wire.Key { return l.Keys },
		Show: func(ctx context.Context, r *remote.Remote) (*wire.Key, client.ETag, error) {
			return r.API.Key(ctx, r.Arg(0), r.Arg(1))
		},
	}
	return remote.Group("key", "manage the API keys of a user", append(reads.Commands(),
		remote.Command{
			Name: "add", Usage: "make another key for a user", Args: "USER KEY", CreatesKey: true,
			Details: "KEY is the name of the key. The key itself goes to stdout, once: usher keeps none.",
			Flags: append(endFlags("for ever"),
				&cli.StringFlag{Name: "not-before", Usage: "`INSTANT` before which it is not good yet"},
				&cli.StringSliceFlag{Name: "network", Usage: "`CIDR` or address that it may be used from; default: anywhere"},
			),
			Run: keyAdd,
		},
		remote.RemoveCommand(remote.Command{Usage: "remove a key: it is refused from the next connect on", Args: "USER KEY", Details: remote.HelpOpenConnections, ConflictHint: lastAdmin},
			func(r *remote.Remote) string {
				return "key " + r.Arg(1) + " of user " + r.Arg(0) + "; " + remote.OpenConnectionsStay
			},
			func(ctx context.Context, r *remote.Remote) error { return r.API.DeleteKey(ctx, r.Arg(0), r.Arg(1), "") },
			nil),
		remote.Command{
			Name: "refresh", Usage: "replace a key by a new one of the same name", Args: "USER", CreatesKey: true,
			ConflictHint: "of several keys --key KEY says which, and usher key list lists them; one that has ended takes --expires-in or --expires-on",
			Details: "Prints the new key on stdout, once. The old one is refused from then on, unless\n" +
				"--grace says otherwise.\n" + remote.HelpOpenConnections,
			Flags: append(endFlags("as long as the old one was made for"),
				&cli.StringFlag{Name: "key", Usage: "`KEY` to replace, by its name; default: " + wire.DefaultKey},
				&cli.StringFlag{Name: "grace", Usage: "`TIME` for which the old key still works, such as 1h"},
			),
			Run: keyRefresh,
		},
	)...)
}

func keyAdd(ctx context.Context, r *remote.Remote) error {
	in := &wire.KeyInput{Name: r.Arg(1), SourceNetworks: remote.Values(r.CLI, "network")}
	var err error
	if in.ExpiresIn, in.ExpiresOn, err = end(r.CLI); err != nil {
		return err
	}
	if in.NotBefore, err = remote.Instant(r.CLI, "not-before"); err != nil {
		return err
	}
	k, err := r.API.CreateKey(ctx, r.Arg(0), in)
	if err != nil {
		return err
	}
	return r.Key(k, k.Token, "made key %s of user %s%s", k.Name, r.Arg(0), endText(k.ExpiresOn))
}

// endFlags are those of a key that is made; otherwise says how long it is good if
// none is given.
func endFlags(otherwise string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "expires-in", Usage: "`TIME` that the key is good for, such as 720h; default: " + otherwise},
		&cli.StringFlag{Name: "expires-on", Usage: "`INSTANT` from which it is good no more, such as 2030-01-01T00:00:00Z"},
	}
}

// end reads endFlags, of which at most one is given.
func end(c *cli.Context) (in string, on *time.Time, err error) {
	life, err := cmdutil.Lifetime(c, "expires-in", "the key would have expired already")
	if err != nil {
		return "", nil, err
	}
	if life > 0 && c.IsSet("expires-on") {
		return "", nil, cmdutil.UsageError("", "--expires-in and --expires-on contradict each other")
	}
	if life > 0 {
		in = life.String()
	}
	on, err = remote.Instant(c, "expires-on")
	return in, on, err
}

// endText says when a key ends, if it does.
func endText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", which ends at " + remote.TimeText(at)
}

func keyRefresh(ctx context.Context, r *remote.Remote) error {
	grace, err := cmdutil.Lifetime(r.CLI, "grace", "without it, the old key is refused from then on")
	if err != nil {
		return err
	}
	in := &wire.RefreshToken{Key: r.CLI.String("key")}
	if in.Key != "" {
		if err := remote.CheckName("key", in.Key); err != nil {
			return err
		}
	}
	if in.ExpiresIn, in.ExpiresOn, err = end(r.CLI); err != nil {
		return err
	}
	if grace > 0 {
		in.Grace = grace.String()
	}
	u, err := r.API.RefreshToken(ctx, r.Arg(0), in)
	if err != nil {
		return err
	}
	return r.Key(u, u.Token, "replaced key %s of user %s%s", u.Key, u.Name, endText(u.ExpiresOn))
}
