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

// importAccounts are the accounts that an import makes from here.
type importAccounts struct {
	maker *deployment.AccountMaker // nil: none are made here
	names []string                 // those that are to be made, or completed
}

// ownAccounts gives each project of a directory file that states no account one of its
// own, if accounts are made here; one that is there already keeps what it has. Nothing
// is made before open.
func ownAccounts(ctx context.Context, r *remote.Remote, text *[]byte, stated bool) (*importAccounts, error) {
	own := &importAccounts{}
	cfg, err := makerConfig(r.CLI)
	if err != nil || cfg == nil {
		return own, err
	}
	if stated {
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
	has, in := map[string]string{}, map[string]string{} // account by project, project by account
	for i := range all.Projects {
		has[all.Projects[i].Name] = all.Projects[i].Account
		in[all.Projects[i].Account] = all.Projects[i].Name
	}
	for i := range records.Projects {
		if p := &records.Projects[i]; p.Account != "" {
			in[p.Account] = p.Name
		}
	}
	for i := range records.Projects {
		p := &records.Projects[i]
		switch other := in[p.Name]; {
		case p.Account != "":
		case has[p.Name] != "":
			p.Account = has[p.Name]
		case other != "" && other != p.Name:
			return nil, errInhabited(p.Name, other)
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
	if own.maker, err = openMaker(r.CLI, cfg); err != nil {
		return nil, err
	}
	if _, err := own.maker.Check(own.names); err != nil {
		own.end()
		return nil, deployment.AccountError(cfg, err)
	}
	return own, nil
}

// open makes the accounts.
func (own *importAccounts) open(ctx context.Context, r *remote.Remote) error {
	if own.maker == nil || len(own.names) == 0 {
		return nil
	}
	if err := openAccounts(contextOf(ctx, r), own.maker, own.names); err != nil {
		return err
	}
	r.Tell("made %s", plural.Count(len(own.names), "account"))
	return nil
}

func (own *importAccounts) end() {
	if own.maker != nil {
		own.maker.End()
	}
}
