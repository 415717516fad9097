package manage

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
)

func KeyCommand() *cli.Command {
	reads := &reader[wire.Key, wire.KeyList]{
		thing: "key", args: "USER KEY",
		columns: []column[wire.Key]{
			{name: "name", cell: func(k *wire.Key) string { return k.Name }},
			{name: "enabled", cell: func(k *wire.Key) string { return yesNo(k.Enabled) }},
			{name: "created", cell: func(k *wire.Key) string { return timeText(k.CreatedOn) }},
			{name: "begins", cell: func(k *wire.Key) string { return timeText(k.NotBefore) }},
			{name: "ends", cell: func(k *wire.Key) string { return timeText(k.ExpiresOn) }},
			{name: "networks", cell: func(k *wire.Key) string { return commaList(k.SourceNetworks) }},
		},
		list: func(ctx context.Context, r *remote) (*wire.KeyList, error) { return r.api.Keys(ctx, r.arg(0)) },
		rows: func(l *wire.KeyList) []wire.Key { return l.Keys },
		show: func(ctx context.Context, r *remote) (*wire.Key, client.ETag, error) {
			return r.api.Key(ctx, r.arg(0), r.arg(1))
		},
	}
	return nounCommand("key", "manage the API keys of a user", append(reads.verbs(),
		verb{
			name: "add", usage: "make another key for a user", args: "USER KEY", makesKey: true,
			more: "KEY is the name of the key. The key itself goes to stdout, once: usher keeps none.",
			flags: append(endFlags("for ever"),
				&cli.StringFlag{Name: "not-before", Usage: "`INSTANT` before which it is not good yet"},
				&cli.StringSliceFlag{Name: "network", Usage: "`CIDR` or address that it may be used from; default: anywhere"},
			),
			do: keyAdd,
		},
		rmVerb(verb{usage: "remove a key: it is refused from the next connect on", args: "USER KEY", more: helpOpen, clash: lastAdmin},
			func(r *remote) string { return "key " + r.arg(1) + " of user " + r.arg(0) + "; " + stillOpen },
			func(ctx context.Context, r *remote) error { return r.api.DeleteKey(ctx, r.arg(0), r.arg(1), "") },
			nil),
		verb{
			name: "refresh", usage: "replace a key by a new one of the same name", args: "USER", makesKey: true,
			clash: "of several keys --key KEY says which, and usher key list lists them; one that has ended takes --expires-in or --expires-on",
			more: "Prints the new key on stdout, once. The old one is refused from then on, unless\n" +
				"--grace says otherwise.\n" + helpOpen,
			flags: append(endFlags("as long as the old one was made for"),
				&cli.StringFlag{Name: "key", Usage: "`KEY` to replace, by its name; default: " + wire.DefaultKey},
				&cli.StringFlag{Name: "grace", Usage: "`TIME` for which the old key still works, such as 1h"},
			),
			do: keyRefresh,
		},
	)...)
}

func keyAdd(ctx context.Context, r *remote) error {
	in := &wire.KeyInput{Name: r.arg(1), SourceNetworks: words(r.c, "network")}
	var err error
	if in.ExpiresIn, in.ExpiresOn, err = end(r.c); err != nil {
		return err
	}
	if in.NotBefore, err = instant(r.c, "not-before"); err != nil {
		return err
	}
	k, err := r.api.CreateKey(ctx, r.arg(0), in)
	if err != nil {
		return err
	}
	return r.key(k, k.Token, "made key %s of user %s%s", k.Name, r.arg(0), endText(k.ExpiresOn))
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
	on, err = instant(c, "expires-on")
	return in, on, err
}

// endText says when a key ends, if it does.
func endText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", which ends at " + timeText(at)
}

func keyRefresh(ctx context.Context, r *remote) error {
	grace, err := cmdutil.Lifetime(r.c, "grace", "without it, the old key is refused from then on")
	if err != nil {
		return err
	}
	in := &wire.RefreshToken{Key: r.c.String("key")}
	if in.Key != "" {
		if err := checkName("key", in.Key); err != nil {
			return err
		}
	}
	if in.ExpiresIn, in.ExpiresOn, err = end(r.c); err != nil {
		return err
	}
	if grace > 0 {
		in.Grace = grace.String()
	}
	u, err := r.api.RefreshToken(ctx, r.arg(0), in)
	if err != nil {
		return err
	}
	return r.key(u, u.Token, "replaced key %s of user %s%s", u.Key, u.Name, endText(u.ExpiresOn))
}
