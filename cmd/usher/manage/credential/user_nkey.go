package credential

import (
	"context"
	"fmt"

	"github.com/nats-io/nkeys"
	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
)

func nkeysOf() *otherKeys[wire.NKey, wire.NKeyList, wire.NKeyInput] {
	return &otherKeys[wire.NKey, wire.NKeyList, wire.NKeyInput]{
		noun:    "nkey",
		columns: []remote.Column[wire.NKey]{{Name: "nkey", Value: func(k *wire.NKey) string { return k.NKey }}},
		key:     func(k *wire.NKey) *wire.Key { return &k.Key },
		keys: func(c *client.Client, user string) client.OtherKeys[wire.NKey, wire.NKeyList, wire.NKeyInput] {
			return c.NKeys(user)
		},
		page:  func(all []wire.NKey) *wire.NKeyList { return &wire.NKeyList{NKeys: all, TotalSize: len(all)} },
		items: func(l *wire.NKeyList) []wire.NKey { return l.NKeys },
	}
}

// NKeyCommand returns "usher user nkey".
func NKeyCommand() *cli.Command {
	o := nkeysOf()
	return remote.Subgroup("user", "nkey", "manage the nkeys of a user", append(o.commands(),
		remote.Command{
			Name: "add", Usage: "add a public nkey to a user", Args: "USER KEY NKEY", Flags: termFlags(),
			Description: "KEY is the name of the nkey in logs. NKEY is the public one (U…) of a client that\n" +
				"has made its own: usher nkey new, or nk -gen user -pubout.",
			Run: func(ctx context.Context, r *remote.Session) error { return addNKey(ctx, r, r.Arg(2)) },
		},
		remote.Command{
			Name: "new", Usage: "create an nkey, write its seed to a file and add it to a user", Args: "USER KEY",
			CreatesKey: true, RequiredFlags: []string{"to"}, Flags: termFlags(),
			Description: "KEY is the name of the nkey in logs. Clients take the seed: nats --nkey FILE. usher\n" +
				"keeps only the public nkey.",
			Run: newNKey,
		},
	)...)
}

func addNKey(ctx context.Context, r *remote.Session, public string) error {
	in, err := nkeyInput(r.CLI, r.Arg(1), public)
	if err != nil {
		return err
	}
	return nkeysOf().add(ctx, r, in)
}

func nkeyInput(c *cli.Context, name, public string) (*wire.NKeyInput, error) {
	if !nkeys.IsValidPublicUserKey(public) {
		return nil, cmdutil.UsageError("it begins with U; usher user nkey new makes one", "NKEY is not the public nkey of a user")
	}
	t, err := terms(c)
	return &wire.NKeyInput{Name: name, NKey: public, KeyTerms: t}, err
}

// newNKey writes the seed before it adds the public nkey, which is of no use without it.
func newNKey(ctx context.Context, r *remote.Session) error {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return fmt.Errorf("create nkey: %w", err)
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil {
		return err
	}
	seed, err := pair.Seed()
	if err != nil {
		return err
	}
	defer clear(seed)
	return r.WithKey(string(seed), func() error { return addNKey(ctx, r, public) })
}
