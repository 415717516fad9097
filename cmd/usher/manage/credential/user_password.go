package credential

import (
	"context"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
)

// PasswordCommand returns "usher user password".
func PasswordCommand() *cli.Command {
	columns := []remote.Column[wire.Password]{
		{Name: "enabled", Value: func(p *wire.Password) string { return remote.YesNo(p.Enabled) }},
		{Name: "set", Value: func(p *wire.Password) string { return remote.FormatTime(p.CreatedOn) }},
		{Name: "begins", Value: func(p *wire.Password) string { return remote.FormatTime(p.NotBefore) }},
		{Name: "ends", Value: func(p *wire.Password) string { return remote.FormatTime(p.ExpiresOn) }},
		{Name: "networks", Value: func(p *wire.Password) string { return remote.JoinList(p.SourceNetworks) }},
		{Name: "algorithm", Value: func(p *wire.Password) string { return p.Algorithm }},
	}
	resource := &remote.Resource[wire.Password, wire.Empty]{
		Noun: "password", Args: "USER", Columns: columns,
		Get: func(ctx context.Context, r *remote.Session) (*wire.Password, client.ETag, error) {
			return r.API.Password(ctx, r.Arg(0))
		},
	}
	show := resource.Commands()[1]
	show.Usage = "show whether a user has a password, and when it is valid"
	change := remote.SetCommand(resource, remote.Command{
		Usage: "change whether it works, when and from where", Flags: setTermFlags(),
		Description: "--network replaces the whole list; a single empty value clears it.\n" + remote.OpenConnectionsHelp,
	}, setTerms, func(ctx context.Context, r *remote.Session, in *wire.KeyTerms, ifMatch client.ETag) (*wire.Password, error) {
		return r.API.SetPassword(ctx, r.Arg(0), &wire.PasswordInput{KeyTerms: *in}, ifMatch)
	}, func(r *remote.Session, _ *wire.Password) string { return "changed the password of user " + r.Arg(0) })
	change.Name = "terms" // set sets the password itself
	return remote.Subgroup("user", "password", "manage the password of a user",
		show,
		remote.Command{
			Name: "set", Usage: "set the password of a user", Args: "USER", Flags: append([]cli.Flag{cmdutil.PasswordFlag()}, termFlags()...),
			Description: "Asks for the password on the terminal, or reads it from --password-file. usher keeps\n" +
				"only its hash.\n" + remote.OpenConnectionsHelp,
			RunLocal: checkStdin, Run: setPassword,
		},
		change,
		remote.RemoveCommand(remote.Command{Usage: "remove the password; the next connect with it is denied", Args: "USER", Description: remote.OpenConnectionsHelp},
			func(r *remote.Session) string {
				return "the password of user " + r.Arg(0) + "; " + remote.OpenConnectionsNote
			},
			func(ctx context.Context, r *remote.Session) error { return r.API.RemovePassword(ctx, r.Arg(0), "") }, nil),
	)
}

// checkStdin is called before the key is read.
func checkStdin(c *cli.Context) (done bool, err error) {
	if c.String("key-file") == "-" && c.String("password-file") == "-" {
		err = cmdutil.UsageError("write one of them to a file", "--key-file and --password-file: only one of them can be stdin")
	}
	return false, err
}

func setPassword(ctx context.Context, r *remote.Session) error {
	t, err := terms(r.CLI)
	if err != nil {
		return err
	}
	text, err := cmdutil.ReadPassword(r.CLI)
	if err != nil {
		return err
	}
	p, err := r.API.SetPassword(ctx, r.Arg(0), &wire.PasswordInput{Password: text, KeyTerms: t}, "")
	if err != nil {
		return err
	}
	return r.PrintDone(p, "set the password of user %s%s", r.Arg(0), ExpiryText(p.ExpiresOn))
}
