package manage

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/manage/credential"
	"usher/cmd/usher/remote"
)

// KeyCommand returns "usher key".
func KeyCommand() *cli.Command {
	resource := &remote.Resource[wire.Key, wire.KeyList]{
		Noun: "key", Args: "USER KEY",
		Columns: []remote.Column[wire.Key]{
			{Name: "name", Value: func(k *wire.Key) string { return k.Name }},
			{Name: "enabled", Value: func(k *wire.Key) string { return remote.YesNo(k.Enabled) }},
			{Name: "created", Value: func(k *wire.Key) string { return remote.FormatTime(k.CreatedOn) }},
			{Name: "begins", Value: func(k *wire.Key) string { return remote.FormatTime(k.NotBefore) }},
			{Name: "ends", Value: func(k *wire.Key) string { return remote.FormatTime(k.ExpiresOn) }},
			{Name: "networks", Value: func(k *wire.Key) string { return remote.JoinList(k.SourceNetworks) }},
		},
		Flags: []cli.Flag{&cli.StringFlag{Name: "ends-within", Usage: "only keys that are valid now and end within `TIME`, such as 24h"}},
		List:  keyList,
		Items: func(l *wire.KeyList) []wire.Key { return l.Keys },
		Get: func(ctx context.Context, r *remote.Session) (*wire.Key, client.ETag, error) {
			return r.API.Key(ctx, r.Arg(0), r.Arg(1))
		},
	}
	return remote.Group("key", "manage the API keys of a user", append(resource.Commands(),
		remote.Command{
			Name: "add", Usage: "create another key for a user", Args: "USER KEY", CreatesKey: true,
			Description: "KEY is the name of the new key. The key itself is printed on stdout once; usher\n" +
				"stores only its digest.",
			Flags: append(credential.ExpiryFlags("no expiry"),
				&cli.StringFlag{Name: "not-before", Usage: "`INSTANT` from which the key is valid"},
				&cli.StringSliceFlag{Name: "network", Usage: "`CIDR` or address from which the key may be used", DefaultText: "anywhere"},
			),
			Run: keyAdd,
		},
		remote.RemoveCommand(remote.Command{Usage: "remove a key; the next connect with it is denied", Args: "USER KEY", Description: remote.OpenConnectionsHelp, ConflictHint: lastAdmin},
			func(r *remote.Session) string {
				return "key " + r.Arg(1) + " of user " + r.Arg(0) + "; " + remote.OpenConnectionsNote
			},
			func(ctx context.Context, r *remote.Session) error {
				return r.API.DeleteKey(ctx, r.Arg(0), r.Arg(1), "")
			},
			nil),
		remote.Command{
			Name: "refresh", Usage: "replace a key with a new one of the same name", Args: "USER", CreatesKey: true,
			ConflictHint: "if the user has several keys, choose one of usher key list with --key KEY; for an expired key give --expires-in or --expires-on",
			Description:  "Prints the new key on stdout once. The old key is denied at once, or after --grace.\n" + remote.OpenConnectionsHelp,
			Flags: append(credential.ExpiryFlags("the lifetime of the old key"),
				&cli.StringFlag{Name: "key", Usage: "name of the `KEY` to replace", DefaultText: wire.DefaultKey},
				&cli.StringFlag{Name: "grace", Usage: "`TIME` for which the old key stays valid, such as 1h"},
			),
			Run: keyRefresh,
		},
	)...)
}

func keyList(ctx context.Context, r *remote.Session) (*wire.KeyList, error) {
	within, err := cmdutil.PositiveDuration(r.CLI, "ends-within", "no key ends within no time")
	if err != nil {
		return nil, err
	}
	keys, err := r.API.Keys(ctx, r.Arg(0))
	if err == nil && within > 0 {
		keys.Keys = endingWithin(keys.Keys, within, time.Now())
	}
	return keys, err
}

func keyAdd(ctx context.Context, r *remote.Session) error {
	in := &wire.KeyInput{Name: r.Arg(1), SourceNetworks: remote.ListOption(r.CLI, "network")}
	var err error
	if in.ExpiresIn, in.ExpiresOn, err = credential.Expiry(r.CLI); err != nil {
		return err
	}
	if in.NotBefore, err = remote.TimeOption(r.CLI, "not-before"); err != nil {
		return err
	}
	k, err := r.API.CreateKey(ctx, r.Arg(0), in)
	if err != nil {
		return err
	}
	return r.PrintKey(k, k.Token, "created key %s of user %s%s", k.Name, r.Arg(0), credential.ExpiryText(k.ExpiresOn))
}

func keyRefresh(ctx context.Context, r *remote.Session) error {
	grace, err := cmdutil.PositiveDuration(r.CLI, "grace", "leave it out to deny the old key at once")
	if err != nil {
		return err
	}
	in := &wire.RefreshToken{Key: r.CLI.String("key")}
	if in.Key != "" {
		if err := remote.CheckName("key", in.Key); err != nil {
			return err
		}
	}
	if in.ExpiresIn, in.ExpiresOn, err = credential.Expiry(r.CLI); err != nil {
		return err
	}
	if grace > 0 {
		in.Grace = grace.String()
	}
	u, err := r.API.RefreshToken(ctx, r.Arg(0), in)
	if err != nil {
		return err
	}
	return r.PrintKey(u, u.Token, "replaced key %s of user %s%s", u.Key, u.Name, credential.ExpiryText(u.ExpiresOn))
}
