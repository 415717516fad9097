package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/accounts"
	"usher/app/config"
	"usher/app/deployment"
	"usher/directory"
	"usher/directory/file"
)

const (
	projectAddHelp = "In operator mode a project gets an account of its own, which is the wall around\n" +
		"it: from the API if that may make accounts (operator.create_accounts); with -c\n" +
		"from here, where the operator's key is. Interrupted, the same command goes on,\n" +
		"and usher project rm -c undoes it. --account puts it where others may be too.\n" +
		"In config mode -c prints the account to add to every nats-server.conf.\n" +
		"With directory.from: file it prints what to add to that file."
	projectRmHelp = "An account of its own is closed: by the API if that may make accounts; with -c\n" +
		"from here. First nobody gets in, then its connections end. Its streams stay on the\n" +
		"servers' disks, unless --purge is given. In an account that others are in, too, they\n" +
		"stay within reach of those, and of whoever gets a project of the same name."
)

func purgeFlag() cli.Flag {
	return &cli.BoolFlag{Name: "purge", Usage: "delete the streams of its account, with all that is in them"}
}

// addProject makes a project, and before that its account if that is made here.
func addProject(ctx context.Context, r *remote.Remote) error {
	in := projectInput(r.CLI)
	cfg, err := makerConfig(r.CLI)
	if err != nil {
		return err
	}
	own, err := ownInConfigMode(r, in)
	if err != nil {
		return err
	}
	if cfg != nil && in.Account != nil {
		return errAccountOrConfig()
	}
	if cfg != nil {
		if err := makeAccount(ctx, r, cfg); err != nil {
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
		tellShared(r.CLI, p.Account)
	}
	if err := r.Done(p, "made project %s in account %s", p.Name, p.Account); err != nil || !own || r.CLI.Bool("json") {
		return err
	}
	return tellAccount(r.CLI, p.Account)
}

func errAccountOrConfig() error {
	return cmdutil.UsageError("--account puts the project into an account that is there; -c makes one", "--account goes without -c")
}

// makeAccount makes the account of a project that does not exist yet.
func makeAccount(ctx context.Context, r *remote.Remote, cfg *config.Config) error {
	name := r.Arg(0)
	all, err := r.API.Projects(ctx)
	if err != nil {
		return err
	}
	for i := range all.Projects {
		switch p := &all.Projects[i]; {
		case p.Name == name:
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("project %s is there already, in account %s", name, p.Account)}
		case p.Account == name:
			return errInhabited(name, p.Name)
		}
	}
	// What the directory would refuse gets no account either.
	would := fmt.Appendf(nil, "projects: [{name: %q, account: %q}]\n", name, name)
	if _, err := r.API.Import(ctx, would, client.ImportOptions{DryRun: true}, func(*wire.ImportLine) {}); err != nil {
		return err
	}
	m, err := openMaker(r.CLI, cfg)
	if err != nil {
		return err
	}
	defer m.End()
	return openAccounts(contextOf(ctx, r), m, []string{name})
}

// errInhabited: an account that a project would get for itself has another in it.
func errInhabited(account, project string) error {
	return &fault.Error{
		Kind: fault.Runtime, Err: fmt.Errorf("project %s is in account %s, so that this one cannot have it for itself", project, account),
		Hint: "give the project another name, or share the account: --account " + account,
	}
}

// removeProject removes a project, and closes its account if that is done here.
func removeProject(ctx context.Context, r *remote.Remote) error {
	name, purge := r.Arg(0), r.CLI.Bool("purge")
	cfg, err := makerConfig(r.CLI)
	switch {
	case err != nil:
		return err
	case cfg == nil && purge:
		return r.API.PurgeProject(ctx, name)
	case cfg == nil:
		return removeBesideOthers(ctx, r)
	}
	account, why, err := ownAccount(ctx, r, cfg)
	switch {
	case err != nil:
		return err
	case account == "" && purge:
		return cmdutil.UsageError("", "%s: --purge would delete what is not this project's alone", why)
	case account == "":
		if err := r.API.DeleteProject(ctx, name, ""); err != nil {
			return err
		}
		r.Tell("%s%s", why, streamsStay(name))
		return nil
	}
	gone := why != ""
	o := accounts.CloseOptions{Project: name, Purge: purge, Remove: func(ctx context.Context) error {
		// It took a while to get here: others have made changes.
		again, why, err := ownAccount(ctx, r, cfg)
		switch {
		case err != nil:
			return err
		case again != account || gone != (why != ""):
			return &fault.Error{
				Kind: fault.Runtime, Err: fmt.Errorf("somebody else has changed project %s, or put another one into account %s", name, account),
				Hint: "nothing is changed: the same command again looks anew",
			}
		case gone:
			return nil
		}
		return r.API.DeleteProject(ctx, name, "")
	}}
	m, err := openMaker(r.CLI, cfg)
	if err != nil {
		return err
	}
	defer m.End()
	return closeAccount(contextOf(ctx, r), m, account, o)
}

// streamsStay says, of an account that stays when a project goes, who gets at what the
// project leaves there.
func streamsStay(project string) string {
	return ", and so do the project's streams: who administers what is left in the account, or gets a project " + project + ", can read them; nats stream rm deletes them"
}

// removeBesideOthers removes a project over the API, and says what it leaves in an
// account that others are in.
func removeBesideOthers(ctx context.Context, r *remote.Remote) error {
	name := r.Arg(0)
	all, err := r.API.Projects(ctx)
	if err != nil {
		return err
	}
	if err := r.API.DeleteProject(ctx, name, ""); err != nil {
		return err
	}
	if i := slices.IndexFunc(all.Projects, func(p wire.Project) bool { return p.Name == name }); i >= 0 {
		account := all.Projects[i].Account
		if other := inhabitant(all.Projects, account, name); other != "" {
			r.Tell("account %s stays, because project %s is in it too%s", account, other, streamsStay(name))
		}
	}
	return nil
}

// ownAccount returns the account that is a project's own; empty: it stays, and why.
// Where only the account is left of a project, why says so too.
func ownAccount(ctx context.Context, r *remote.Remote, cfg *config.Config) (account, why string, err error) {
	name := r.Arg(0)
	known, err := deployment.Accounts(cfg)
	if err != nil {
		return "", "", err
	}
	all, err := r.API.Projects(ctx)
	if err != nil {
		return "", "", err
	}
	i := slices.IndexFunc(all.Projects, func(p wire.Project) bool { return p.Name == name })
	if i < 0 {
		if account = accounts.Closing(known, name); account == "" || inhabitant(all.Projects, account, name) != "" {
			_, _, err = r.API.Project(ctx, name)
			return "", "there is no such project", err
		}
		return account, "the project has gone already", nil
	}
	account = all.Projects[i].Account
	if left := accounts.Closing(known, name); !accounts.Own(known, account) && left != "" && inhabitant(all.Projects, left, "") == "" {
		return left, "", nil // the project was moved out of it
	}
	if !accounts.Own(known, account) {
		return "", "account " + account + " was not made for a project, and stays", nil
	}
	if other := inhabitant(all.Projects, account, name); other != "" {
		return "", "account " + account + " stays, because project " + other + " is in it too", nil
	}
	return account, "", nil
}

// inhabitant returns another project that is in an account; empty: there is none.
func inhabitant(all []wire.Project, account, but string) string {
	for i := range all {
		if all[i].Account == account && all[i].Name != but {
			return all[i].Name
		}
	}
	return ""
}

// fileConfig returns the configuration of -c if the directory is a file, which has no
// API, and the projects in it.
func fileConfig(c *cli.Context) (*config.Config, *directory.Records, error) {
	cfg, err := makerConfig(c)
	if cfg == nil || err != nil || cfg.Directory.From != config.DirectoryFile {
		return nil, nil, err
	}
	text, err := readDirectory(c, cfg.Directory.File)
	if err != nil {
		return nil, nil, err
	}
	records, _, err := file.Parse(cfg.Directory.File, text)
	if err != nil {
		return nil, nil, fault.InConfig(err)
	}
	return cfg, &records, nil
}

// addWithoutAPI makes the account of a project of a directory that is a file, and
// prints what to add to it.
func addWithoutAPI(c *cli.Context) (done bool, err error) {
	if done, err := addToFile(c); done || err != nil {
		return done, err
	}
	cfg, records, err := fileConfig(c)
	if cfg == nil || err != nil {
		return false, err
	}
	if c.IsSet("account") {
		return true, errAccountOrConfig()
	}
	name := c.Args().First()
	for i := range records.Projects {
		if p := &records.Projects[i]; p.Account == name && p.Name != name {
			return true, errInhabited(name, p.Name)
		}
	}
	m, err := openMaker(c, cfg)
	if err != nil {
		return true, err
	}
	defer m.End()
	if err := openAccounts(c, m, []string{name}); err != nil {
		return true, err
	}
	cmdutil.Say(c.App.ErrWriter, "hint", "add this to projects in "+cfg.Directory.File)
	_, err = fmt.Fprintf(c.App.Writer, "  - name: %s\n    account: %s\n", name, name)
	return true, err
}

// removeWithoutAPI closes the account of a project that was taken out of a directory
// that is a file.
func removeWithoutAPI(c *cli.Context) (done bool, err error) {
	if done, err := removeFromFile(c); done || err != nil {
		return done, err
	}
	cfg, records, err := fileConfig(c)
	if cfg == nil || err != nil {
		return false, err
	}
	name := c.Args().First()
	known, err := deployment.Accounts(cfg)
	if err != nil {
		return true, err
	}
	account := accounts.Closing(known, name)
	if account == "" {
		return true, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("no account was made for project %s", name), Hint: "usher nkey list shows the accounts of the keyring"}
	}
	for i := range records.Projects {
		if p := &records.Projects[i]; p.Name == name || p.Account == account {
			return true, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("project %s is still in %s", p.Name, cfg.Directory.File), Hint: "take it out of the file first, so that nobody gets in"}
		}
	}
	if !c.Bool("yes") {
		text := "account " + account
		if c.Bool("purge") {
			text += " with all its data"
		}
		if err := (&remote.Remote{CLI: c}).Confirm(func() (string, error) { return text, nil }); err != nil {
			return true, err
		}
	}
	m, err := openMaker(c, cfg)
	if err != nil {
		return true, err
	}
	defer m.End()
	return true, closeAccount(c, m, account, accounts.CloseOptions{Project: name, Purge: c.Bool("purge")})
}

// projectLost says what goes when a project goes.
func projectLost(ctx context.Context, r *remote.Remote) (string, error) {
	name := r.Arg(0)
	topics, err := r.API.Topics(ctx, name)
	var no *client.Error
	if errors.As(err, &no) && no.Code == 404 && r.CLI.IsSet("config") {
		return "what is left of the account of project " + name + ", which is not " + r.WhichAPI(), nil
	}
	if err != nil {
		return "", err
	}
	subscriptions, err := r.API.Subscriptions(ctx, name)
	if err != nil {
		return "", err
	}
	members, err := r.API.Members(ctx, name)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("project %s %s with %s, %s and %s", name, r.WhichAPI(), plural.Count(len(topics.Topics), "topic"),
		plural.Count(len(subscriptions.Subscriptions), "subscription"), plural.Count(len(members.Users), "membership"))
	if r.CLI.Bool("purge") {
		text += ", and all that the streams of its account hold"
	}
	return text, nil
}
