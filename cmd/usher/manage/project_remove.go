package manage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/manage/messages"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/accounts"
	"usher/app/config"
	"usher/app/deployment"
)

const projectRmHelp = "If the project has an account of its own, that is closed: by the API if\n" +
	"operator.create_accounts is set; with -c by this command. New connections are denied\n" +
	"first, then open ones are closed. Its streams stay on the servers' disks, unless\n" +
	"--purge is given. In a shared account its streams stay readable for the other\n" +
	"projects in it, and for a later project of the same name. If usher keeps the streams\n" +
	"(projects.streams: managed), the stream of the project is deleted with it, and one\n" +
	"with messages only with --purge."

func purgeFlag() cli.Flag {
	return &cli.BoolFlag{Name: "purge", Usage: "delete the streams of its account, or its own if usher keeps it, with all their data"}
}

// removeProject removes a project. With -c in operator mode it closes its account.
func removeProject(ctx context.Context, r *remote.Session) error {
	name, purge := r.Arg(0), r.CLI.Bool("purge")
	cfg, err := operatorConfig(r.CLI)
	switch {
	case err != nil:
		return err
	case cfg == nil && purge:
		return r.API.PurgeProject(ctx, name)
	case cfg == nil:
		return removeOverAPI(ctx, r)
	}
	account, reason, err := ownAccount(ctx, r, cfg)
	switch {
	case err != nil:
		return err
	case account == "" && purge:
		return cmdutil.UsageError("", "%s: --purge would delete data of other projects", reason)
	case account == "":
		if err := r.API.DeleteProject(ctx, name, ""); err != nil {
			return err
		}
		r.Infof("%s%s", reason, streamsStay(name))
		return nil
	}
	gone := reason != ""
	remove := func(ctx context.Context) error {
		if purge && cfg.Projects.Streams == config.StreamsManaged {
			return r.API.PurgeProject(ctx, name)
		}
		return r.API.DeleteProject(ctx, name, "")
	}
	o := accounts.CloseOptions{Project: name, Purge: purge, Remove: func(ctx context.Context) error {
		// Closing takes a while: check for changes by others.
		current, reason, err := ownAccount(ctx, r, cfg)
		switch {
		case err != nil:
			return err
		case current != account || gone != (reason != ""):
			return &fault.Error{
				Kind: fault.Runtime, Err: fmt.Errorf("project %s or account %s was changed by somebody else meanwhile", name, account),
				Hint: "nothing was removed; repeat the command",
			}
		case gone:
			return nil
		}
		return remove(ctx)
	}}
	m, err := connectMaker(r.CLI, cfg)
	if err != nil {
		return err
	}
	defer m.End()
	return closeAccount(cliContext(ctx, r), m, account, o)
}

// removeOverAPI removes a project over the API, and says what it leaves in a shared
// account.
func removeOverAPI(ctx context.Context, r *remote.Session) error {
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
		if other := otherProjectIn(all.Projects, account, name); other != "" {
			r.Infof("account %s stays, because project %s uses it too%s", account, other, streamsStay(name))
		}
	}
	return nil
}

// streamsStay completes a sentence about an account that stays: it says who can read the
// streams that the project leaves in it.
func streamsStay(project string) string {
	return ", and so do the project's streams: administrators of the account, and of any later project " + project + " in it, can read them; delete them with nats stream rm"
}

// removeWithoutAPI handles "project rm" for a directory that is a file: it closes the account
// of a project that is no longer in the file.
func removeWithoutAPI(c *cli.Context) (done bool, err error) {
	if done, err := removeFromFile(c); done || err != nil {
		return done, err
	}
	cfg, records, err := operatorFileConfig(c)
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
		return true, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("no account was created for project %s", name), Hint: "list the accounts of the keyring with usher nkey list"}
	}
	for i := range records.Projects {
		if p := &records.Projects[i]; p.Name == name || p.Account == account {
			return true, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("project %s is still in %s", p.Name, cfg.Directory.File), Hint: "remove it from the file first, so that new connections are denied"}
		}
	}
	if !c.Bool("yes") {
		text := "account " + account
		if c.Bool("purge") {
			text += " with all its data"
		}
		if err := (&remote.Session{CLI: c}).Confirm(func() (string, error) { return text, nil }); err != nil {
			return true, err
		}
	}
	m, err := connectMaker(c, cfg)
	if err != nil {
		return true, err
	}
	defer m.End()
	return true, closeAccount(c, m, account, accounts.CloseOptions{Project: name, Purge: c.Bool("purge")})
}

// describeProject describes what the removal of a project removes.
func describeProject(ctx context.Context, r *remote.Session) (string, error) {
	name := r.Arg(0)
	topics, err := r.API.Topics(ctx, name)
	var refused *client.Error
	if errors.As(err, &refused) && refused.Code == http.StatusNotFound && r.CLI.IsSet("config") {
		return "the account that is left of project " + name + ", which does not exist " + r.AtServer(), nil
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
	text := fmt.Sprintf("project %s %s with %s, %s and %s", name, r.AtServer(), plural.Count(len(topics.Topics), "topic"),
		plural.Count(len(subscriptions.Subscriptions), "subscription"), plural.Count(len(members.Users), "membership"))
	stored := messages.Stored(ctx, r, name, topics.Topics)
	switch {
	case r.CLI.Bool("purge"):
		text += ", and all messages in its streams"
		if stored > 0 {
			text += fmt.Sprintf(" (%d now)", stored)
		}
	case stored > 0:
		text += fmt.Sprintf("; it has %s, with which --purge removes it if usher keeps its stream (projects.streams: managed)", plural.Count(int(stored), "message"))
	}
	return text, nil
}
