package manage

import (
	"context"
	"fmt"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/config"
)

const projectAddHelp = "In operator mode a project gets a NATS account of its own, which isolates it. The\n" +
	"API creates it if operator.create_accounts is set; with -c this command does, with\n" +
	"the operator's key. If interrupted, repeat the command to continue, or undo it with\n" +
	"usher project rm -c. --account names an existing account to share instead.\n" +
	"In config mode -c prints the account to add to every nats-server.conf.\n" +
	"With directory.from: file it prints what to add to that file."

// addProject creates a project. With -c in operator mode it creates its account first.
func addProject(ctx context.Context, r *remote.Session) error {
	in := projectInput(r.CLI)
	cfg, err := operatorConfig(r.CLI)
	if err != nil {
		return err
	}
	own, err := setOwnAccount(r, in)
	if err != nil {
		return err
	}
	if cfg != nil && in.Account != nil {
		return errAccountOrConfig()
	}
	if cfg != nil {
		if err := createAccount(ctx, r, cfg); err != nil {
			return err
		}
		name := r.Arg(0)
		in.Account = &name
	}
	p, err := r.API.CreateProject(ctx, r.Arg(0), in)
	if err != nil {
		return err
	}
	if cfg == nil && !own && p.Account != p.Name && !r.CLI.Bool("json") {
		noteSharedAccount(r.CLI, p.Account)
	}
	if err := r.PrintDone(p, "created project %s in account %s", p.Name, p.Account); err != nil || !own || r.CLI.Bool("json") {
		return err
	}
	return printAccountBlock(r.CLI, p.Account)
}

// createAccount creates the account of a project that does not exist yet.
func createAccount(ctx context.Context, r *remote.Session, cfg *config.Config) error {
	name := r.Arg(0)
	all, err := r.API.Projects(ctx)
	if err != nil {
		return err
	}
	for i := range all.Projects {
		switch p := &all.Projects[i]; {
		case p.Name == name:
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("project %s exists already, in account %s", name, p.Account)}
		case p.Account == name:
			return errOccupied(name, p.Name)
		}
	}
	// Create no account for a project that the directory would reject.
	document := fmt.Appendf(nil, "projects: [{name: %q, account: %q}]\n", name, name)
	if _, err := r.API.Import(ctx, document, client.ImportOptions{DryRun: true}, func(*wire.ImportLine) {}); err != nil {
		return err
	}
	m, err := connectMaker(r.CLI, cfg)
	if err != nil {
		return err
	}
	defer m.End()
	return createAccounts(cliContext(ctx, r), m, []string{name})
}

// addWithoutAPI handles "project add" for a directory that is a file: it creates the account
// in operator mode, and prints what to add to the file.
func addWithoutAPI(c *cli.Context) (done bool, err error) {
	if done, err := addToFile(c); done || err != nil {
		return done, err
	}
	cfg, records, err := operatorFileConfig(c)
	if cfg == nil || err != nil {
		return false, err
	}
	if c.IsSet("account") {
		return true, errAccountOrConfig()
	}
	name := c.Args().First()
	for i := range records.Projects {
		if p := &records.Projects[i]; p.Account == name && p.Name != name {
			return true, errOccupied(name, p.Name)
		}
	}
	m, err := connectMaker(c, cfg)
	if err != nil {
		return true, err
	}
	defer m.End()
	if err := createAccounts(c, m, []string{name}); err != nil {
		return true, err
	}
	cmdutil.Hint(c.App.ErrWriter, "add this to projects in "+cfg.Directory.File)
	_, err = fmt.Fprintf(c.App.Writer, "  - name: %s\n    account: %s\n", name, name)
	return true, err
}

func errAccountOrConfig() error {
	return cmdutil.UsageError("--account names an existing account; -c creates one", "--account and -c: give only one of them")
}
