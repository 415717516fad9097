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

// In config mode accounts are part of the servers' configuration, which usher does not
// change. The commands print what to add to it.

// configModeConfig returns the configuration of -c if it is in config mode, else nil.
func configModeConfig(c *cli.Context) (*config.Config, error) {
	if !c.IsSet("config") {
		return nil, nil
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil || cfg.NATS.Mode != config.ModeConfig {
		return nil, err
	}
	return cfg, nil
}

// configModeFile returns the configuration of -c and the content of its directory, if -c is
// in config mode and the directory is a file. Else it returns nil.
func configModeFile(c *cli.Context) (*config.Config, directory.Records, error) {
	cfg, err := configModeConfig(c)
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

// setOwnAccount gives a project without an account one of its own, if -c is in config mode.
// It reports whether it did.
func setOwnAccount(r *remote.Session, in *wire.ProjectInput) (bool, error) {
	cfg, err := configModeConfig(r.CLI)
	if cfg == nil || err != nil || in.Account != nil {
		return false, err
	}
	name := r.Arg(0)
	all, err := r.API.Projects(r.CLI.Context)
	if err != nil {
		return false, err
	}
	if other := otherProjectIn(all.Projects, name, name); other != "" {
		return false, errOccupied(name, other)
	}
	in.Account = &name
	return true, nil
}

// printAccountBlock prints the account to add to the configuration of every server.
func printAccountBlock(c *cli.Context, account string) error {
	cmdutil.Note(c.App.ErrWriter, "a server without account "+account+" denies every connection to it: add this to accounts in every nats-server.conf, and its name to auth_callout.allowed_accounts where that is set")
	if _, err := fmt.Fprintln(c.App.Writer, setup.AccountBlock(account, "  ")); err != nil {
		return err
	}
	cmdutil.Hint(c.App.ErrWriter, "then reload one server after the other (nats-server --signal reload); in config mode a reload closes every connection that usher authorized at that server, and clients reconnect; usher check names servers that lack the account")
	return nil
}

// addToFile handles "project add" in config mode with a directory that is a file: it prints
// what to add to the file and to the servers' configuration.
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
			return true, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("project %s exists already, in account %s", name, p.Account)}
		case p.Account == account && !shared:
			return true, errOccupied(account, p.Name)
		}
	}
	if err := checkNewProject(cfg, records, name, account); err != nil {
		return true, err
	}
	cmdutil.Hint(c.App.ErrWriter, "add this to projects in "+cfg.Directory.File)
	if _, err := fmt.Fprintf(c.App.Writer, "  - name: %s\n    account: %s\n", name, quoteYAML(account)); err != nil {
		return true, err
	}
	if shared {
		noteSharedAccount(c, account)
		return true, nil
	}
	return true, printAccountBlock(c, account)
}

// removeFromFile handles "project rm" in config mode with a directory that is a file: its
// error says what to remove from the file and from the servers' configuration.
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
				Hint: "remove it from the file, so that new connections are denied, then remove its account from every nats-server.conf",
			}
		}
	}
	return true, &fault.Error{
		Kind: fault.Runtime, Err: fmt.Errorf("there is no project %s in %s", name, cfg.Directory.File),
		Hint: "if it had an account of its own, remove that from every nats-server.conf; its streams stay on the servers' disks until you delete them",
	}
}

// checkNewProject reports why the directory would reject a project in an account.
func checkNewProject(cfg *config.Config, records directory.Records, name, account string) error {
	records.Projects = append(slices.Clone(records.Projects), directory.Project{Name: name, Account: account})
	s, err := snapshot.New(records)
	if err != nil {
		return fault.InConfig(err)
	}
	for _, problem := range assembly.Policy(cfg).CheckDirectory(s) {
		return &fault.Error{Kind: fault.Config, Err: errors.New(problem.Message), Hint: problem.Hint}
	}
	return nil
}

// quoteYAML quotes an account name that is not a plain YAML scalar.
func quoteYAML(name string) string {
	if strings.ContainsAny(name, ":#{}[],&*!|>'\"%@`$") {
		return fmt.Sprintf("%q", name)
	}
	return name
}
