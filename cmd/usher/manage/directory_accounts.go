package manage

import (
	"bytes"
	"context"

	"usher/app/deployment"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/internal/plural"

	"usher/directory/file"
)

// importAccounts are the accounts that this command creates for an import.
type importAccounts struct {
	maker *deployment.AccountMaker // nil: this command creates none
	names []string                 // accounts to create or complete
}

// planAccounts sets the account of each project in text that names none: the one that the
// project has, or one of its own. It does nothing without -c in operator mode. create
// creates the accounts. hasDefault says that --account names one for all projects.
func planAccounts(ctx context.Context, r *remote.Session, text *[]byte, hasDefault bool) (*importAccounts, error) {
	own := &importAccounts{}
	cfg, err := operatorConfig(r.CLI)
	if err != nil || cfg == nil {
		return own, err
	}
	if hasDefault {
		return nil, errAccountOrConfig()
	}
	records, _, err := file.Parse("directory", *text)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	all, err := r.API.Projects(ctx)
	if err != nil {
		return nil, err
	}
	accountOf, projectIn := map[string]string{}, map[string]string{}
	for i := range all.Projects {
		accountOf[all.Projects[i].Name] = all.Projects[i].Account
		projectIn[all.Projects[i].Account] = all.Projects[i].Name
	}
	for i := range records.Projects {
		if p := &records.Projects[i]; p.Account != "" {
			projectIn[p.Account] = p.Name
		}
	}
	for i := range records.Projects {
		p := &records.Projects[i]
		switch other := projectIn[p.Name]; {
		case p.Account != "":
		case accountOf[p.Name] != "":
			p.Account = accountOf[p.Name]
		case other != "" && other != p.Name:
			return nil, errOccupied(p.Name, other)
		default:
			p.Account = p.Name
			own.names = append(own.names, p.Name)
		}
	}
	var filled bytes.Buffer
	if err := file.Write(&filled, records); err != nil {
		return nil, err
	}
	*text = filled.Bytes()
	if own.maker, err = connectMaker(r.CLI, cfg); err != nil {
		return nil, err
	}
	if _, err := own.maker.Check(own.names); err != nil {
		own.close()
		return nil, deployment.AccountError(cfg, err)
	}
	return own, nil
}

// create creates the accounts.
func (own *importAccounts) create(ctx context.Context, r *remote.Session) error {
	if own.maker == nil || len(own.names) == 0 {
		return nil
	}
	if err := createAccounts(cliContext(ctx, r), own.maker, own.names); err != nil {
		return err
	}
	r.Infof("created %s", plural.Count(len(own.names), "account"))
	return nil
}

func (own *importAccounts) close() {
	if own.maker != nil {
		own.maker.End()
	}
}
