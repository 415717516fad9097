package credential

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
)

// otherKeys describes the commands for the keys of one kind that is no API key.
type otherKeys[T, L, In any] struct {
	noun    string
	columns []remote.Column[T]
	key     func(*T) *wire.Key
	keys    func(c *client.Client, user string) client.OtherKeys[T, L, In]
	page    func(all []T) *L
	items   func(*L) []T
}

// commands returns list, show, set and rm.
func (o *otherKeys[T, L, In]) commands() []remote.Command {
	resource := &remote.Resource[T, L]{
		Noun: o.noun, Args: "USER KEY", Columns: o.allColumns(), Items: o.items,
		List: func(ctx context.Context, r *remote.Session) (*L, error) {
			all, err := o.keys(r.API, r.Arg(0)).List(ctx)
			if err != nil {
				return nil, err
			}
			return o.page(all), nil
		},
		Get: func(ctx context.Context, r *remote.Session) (*T, client.ETag, error) {
			return o.keys(r.API, r.Arg(0)).Get(ctx, r.Arg(1))
		},
	}
	return append(resource.Commands(),
		remote.SetCommand(resource, remote.Command{
			Usage: "change whether it works, when and from where", Flags: setTermFlags(),
			Description: "--network replaces the whole list; a single empty value clears it.\n" + remote.OpenConnectionsHelp,
		}, setTerms, func(ctx context.Context, r *remote.Session, in *wire.KeyTerms, ifMatch client.ETag) (*T, error) {
			return o.keys(r.API, r.Arg(0)).Update(ctx, r.Arg(1), in, ifMatch)
		}, func(r *remote.Session, changed *T) string {
			return "changed " + o.noun + " " + o.key(changed).Name + " of user " + r.Arg(0)
		}),
		remote.RemoveCommand(remote.Command{Usage: "remove it; the next connect with it is denied", Args: "USER KEY", Description: remote.OpenConnectionsHelp},
			func(r *remote.Session) string {
				return o.noun + " " + r.Arg(1) + " of user " + r.Arg(0) + "; " + remote.OpenConnectionsNote
			},
			func(ctx context.Context, r *remote.Session) error {
				return o.keys(r.API, r.Arg(0)).Remove(ctx, r.Arg(1), "")
			}, nil),
	)
}

func (o *otherKeys[T, L, In]) allColumns() []remote.Column[T] {
	return slices.Concat([]remote.Column[T]{
		{Name: "name", Value: func(k *T) string { return o.key(k).Name }},
	}, o.columns, []remote.Column[T]{
		{Name: "enabled", Value: func(k *T) string { return remote.YesNo(o.key(k).Enabled) }},
		{Name: "begins", Value: func(k *T) string { return remote.FormatTime(o.key(k).NotBefore) }},
		{Name: "ends", Value: func(k *T) string { return remote.FormatTime(o.key(k).ExpiresOn) }},
		{Name: "networks", Value: func(k *T) string { return remote.JoinList(o.key(k).SourceNetworks) }},
		{Name: "created", DetailOnly: true, Value: func(k *T) string { return remote.FormatTime(o.key(k).CreatedOn) }},
	})
}

// add adds a key, and says so.
func (o *otherKeys[T, L, In]) add(ctx context.Context, r *remote.Session, in *In) error {
	added, err := o.keys(r.API, r.Arg(0)).Add(ctx, in)
	if err != nil {
		return err
	}
	k := o.key(added)
	return r.PrintDone(added, "added %s %s to user %s%s", o.noun, k.Name, r.Arg(0), ExpiryText(k.ExpiresOn))
}

// termFlags are the options of terms for a new key.
func termFlags() []cli.Flag {
	return append(ExpiryFlags("no expiry"),
		&cli.StringFlag{Name: "not-before", Usage: "`INSTANT` from which it is valid"},
		&cli.StringSliceFlag{Name: "network", Usage: "`CIDR` or address from which it may be used", DefaultText: "anywhere"},
	)
}

func setTermFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "enable", Usage: "accept it again"},
		&cli.BoolFlag{Name: "disable", Usage: "refuse it from the next connect on"},
		&cli.StringFlag{Name: "expires-in", Usage: "`TIME` for which it is valid, such as 720h, or never"},
		&cli.StringFlag{Name: "expires-on", Usage: "`INSTANT` at which it expires, such as 2030-01-01T00:00:00Z"},
	}, termFlags()[2:]...)
}

// terms reads termFlags.
func terms(c *cli.Context) (in wire.KeyTerms, err error) {
	if c.String("expires-in") == wire.Never && !c.IsSet("expires-on") {
		in.ExpiresIn = wire.Never
	} else if in.ExpiresIn, in.ExpiresOn, err = Expiry(c); err != nil {
		return in, err
	}
	in.SourceNetworks = remote.ListOption(c, "network")
	in.NotBefore, err = remote.TimeOption(c, "not-before")
	return in, err
}

// setTerms reads setTermFlags.
func setTerms(c *cli.Context) (*wire.KeyTerms, error) {
	in, err := terms(c)
	if err != nil {
		return nil, err
	}
	enable, disable := c.Bool("enable"), c.Bool("disable")
	if enable && disable {
		return nil, cmdutil.UsageError("", "--enable and --disable: give only one of them")
	}
	if enable || disable {
		in.Enabled = &enable
	}
	return &in, nil
}
