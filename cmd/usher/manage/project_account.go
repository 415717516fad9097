package manage

import (
	"context"
	"fmt"
	"slices"

	"usher/cmd/usher/remote"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/api/wire"
	"usher/app/accounts"
	"usher/app/config"
	"usher/app/deployment"
	"usher/directory"
	"usher/directory/file"
)

// errOccupied: the account that a project would own is used by another project.
func errOccupied(account, project string) error {
	return &fault.Error{
		Kind: fault.Runtime, Err: fmt.Errorf("account %[2]s is in use by project %[1]s", project, account),
		Hint: "choose another name, or share the account with --account " + account,
	}
}

// ownAccount returns the account that belongs to the project alone. It returns "" and the
// reason if the account stays. With an account, a reason says that the project itself is
// gone already.
func ownAccount(ctx context.Context, r *remote.Session, cfg *config.Config) (account, reason string, err error) {
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
		if account = accounts.Closing(known, name); account == "" || otherProjectIn(all.Projects, account, name) != "" {
			_, _, err = r.API.Project(ctx, name)
			return "", "there is no such project", err
		}
		return account, "the project is gone already", nil
	}
	account = all.Projects[i].Account
	if left := accounts.Closing(known, name); !accounts.Own(known, account) && left != "" && otherProjectIn(all.Projects, left, "") == "" {
		return left, "", nil // the project was moved out of it
	}
	if !accounts.Own(known, account) {
		return "", "account " + account + " was not created for a project, and stays", nil
	}
	if other := otherProjectIn(all.Projects, account, name); other != "" {
		return "", "account " + account + " stays, because project " + other + " uses it too", nil
	}
	return account, "", nil
}

// otherProjectIn returns a project other than except that uses an account, or "".
func otherProjectIn(all []wire.Project, account, except string) string {
	for i := range all {
		if all[i].Account == account && all[i].Name != except {
			return all[i].Name
		}
	}
	return ""
}

// operatorFileConfig returns the configuration of -c and the content of its directory, if
// -c is in operator mode and the directory is a file. That has no API. Else it returns nil.
func operatorFileConfig(c *cli.Context) (*config.Config, *directory.Records, error) {
	cfg, err := operatorConfig(c)
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
