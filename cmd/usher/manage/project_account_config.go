package manage

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/api/wire"
	"usher/app/assembly"
	"usher/app/config"
	"usher/app/setup"
	"usher/directory"
	"usher/directory/file"
	"usher/directory/snapshot"
)

// Config mode: accounts stand in the servers' configuration, which is not usher's to
// change. What to add to it is printed.

// configMode returns the configuration of -c if it is one of config mode; nil: -c is
// not given, or it is not.
func configMode(c *cli.Context) (*config.Config, error) {
	if !c.IsSet("config") {
		return nil, nil
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil || cfg.NATS.Mode != config.ModeConfig {
		return nil, err
	}
	return cfg, nil
}

// configModeFile returns the configuration of -c if it is one of config mode with a
// directory that is a file, and what is in that; nil: it is not.
func configModeFile(c *cli.Context) (*config.Config, directory.Records, error) {
	cfg, err := configMode(c)
	if cfg == nil || err != nil || cfg.Directory.From != config.DirectoryFile {
		return nil, directory.Records{}, err
	}
	text, err := readDirectory(c, cfg.Directory.File)
	if err != nil {
		return cfg, directory.Records{}, err
	}
	records, _, err := file.Parse(cfg.Directory.File, text)
	if err != nil {
		return cfg, directory.Records{}, fault.InConfig(err)
	}
	return cfg, records, nil
}

// ownInConfigMode gives a project that states no account one of its own, if -c is that
// of config mode.
func ownInConfigMode(r *remote.Remote, in *wire.ProjectInput) (bool, error) {
	cfg, err := configMode(r.CLI)
	if cfg == nil || err != nil || in.Account != nil {
		return false, err
	}
	name := r.Arg(0)
	all, err := r.API.Projects(r.CLI.Context)
	if err != nil {
		return false, err
	}
	if other := inhabitant(all.Projects, name, name); other != "" {
		return false, errInhabited(name, other)
	}
	in.Account = &name
	return true, nil
}

// tellAccount says what a server's configuration needs so that it has an account.
func tellAccount(c *cli.Context, account string) error {
	cmdutil.Say(c.App.ErrWriter, "note", "nobody gets into "+account+" at a server that does not have it: add this to accounts in every nats-server.conf, and its name to auth_callout.allowed_accounts where that is set")
	if _, err := fmt.Fprintln(c.App.Writer, setup.AccountBlock(account, "  ")); err != nil {
		return err
	}
	cmdutil.Say(c.App.ErrWriter, "hint", "then reload the servers one after the other (nats-server --signal reload): in config mode a reload ends every connection that usher let in at that server, and clients come back; usher check says which server lacks the account")
	return nil
}

// addToFile prints what a directory that is a file, and the servers' configuration, need
// for a project: in config mode there is no API that makes one.
func addToFile(c *cli.Context) (done bool, err error) {
	cfg, records, err := configModeFile(c)
	if cfg == nil || err != nil {
		return cfg != nil, err
	}
	name := c.Args().First()
	account, shared := c.String("account"), c.IsSet("account")
	if !shared {
		account = name
	}
	for i := range records.Projects {
		switch p := &records.Projects[i]; {
		case p.Name == name:
			return true, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("project %s is there already, in account %s", name, p.Account)}
		case p.Account == account && !shared:
			return true, errInhabited(account, p.Name)
		}
	}
	if err := newProject(cfg, records, name, account); err != nil {
		return true, err
	}
	cmdutil.Say(c.App.ErrWriter, "hint", "add this to projects in "+cfg.Directory.File)
	if _, err := fmt.Fprintf(c.App.Writer, "  - name: %s\n    account: %s\n", name, quoteYAML(account)); err != nil {
		return true, err
	}
	if shared {
		tellShared(c, account)
		return true, nil
	}
	return true, tellAccount(c, account)
}

// removeFromFile says what is to be taken out of a directory that is a file, and of the
// servers' configuration, for a project to be gone: in config mode there is no API that
// removes one.
func removeFromFile(c *cli.Context) (done bool, err error) {
	cfg, records, err := configModeFile(c)
	if cfg == nil || err != nil {
		return cfg != nil, err
	}
	name := c.Args().First()
	for i := range records.Projects {
		if p := &records.Projects[i]; p.Name == name {
			return true, &fault.Error{
				Kind: fault.Runtime, Err: fmt.Errorf("project %s is in %s, with account %s", name, cfg.Directory.File, p.Account),
				Hint: "take it out of the file, so that nobody gets in, and then its account out of every nats-server.conf",
			}
		}
	}
	return true, &fault.Error{
		Kind: fault.Runtime, Err: fmt.Errorf("there is no project %s in %s", name, cfg.Directory.File),
		Hint: "if it had an account of its own, take that out of every nats-server.conf; its streams stay on the servers' disks until they are deleted",
	}
}

// newProject reports why a directory cannot have a project in an account.
func newProject(cfg *config.Config, records directory.Records, name, account string) error {
	records.Projects = append(slices.Clone(records.Projects), directory.Project{Name: name, Account: account})
	snapshot, err := snapshot.New(records)
	if err != nil {
		return fault.InConfig(err)
	}
	for _, problem := range assembly.Policy(cfg).CheckDirectory(snapshot) {
		return &fault.Error{Kind: fault.Config, Err: errors.New(problem.Message), Hint: problem.Hint}
	}
	return nil
}

// quoteYAML quotes an account's name where YAML would take it for something else.
func quoteYAML(name string) string {
	if strings.ContainsAny(name, ":#{}[],&*!|>'\"%@`$") {
		return fmt.Sprintf("%q", name)
	}
	return name
}
