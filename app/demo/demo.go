package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"usher/internal/secretfile"

	"usher/app/setup"
	"usher/directory"
	"usher/internal/ownedfile"
	"usher/tokens/apikey"
)

// Identity is one identity of the demo directory.
type Identity struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Token string `json:"token"`
}

// Directory is the content of demo.json: the identities of the demo with their tokens, which
// a real directory does not have.
type Directory struct {
	Identities []Identity `json:"identities"`
	Refused    Identity   `json:"refused"`            // its key has expired
	Operator   bool       `json:"operator,omitempty"` // the files are for operator mode
	Provider   string     `json:"provider,omitempty"` // URL of the OpenID Connect provider; empty: there is none

	// Of app/demo/gateway: how old supervisors send their events. Empty: the files are not
	// for an event gateway.
	EventGateway string `json:"event_gateway,omitempty"`
	Unfinished   bool   `json:"unfinished,omitempty"` // the files of the event gateway may not be complete
}

// The users of the demo, by their role.
const (
	Ingest       = "habitat"
	Publisher    = "webshop"
	Consumer     = "billing"
	ProjectAdmin = "shopadmin"
	ServiceAdmin = "operator"
	Expired      = "former"

	demoProject      = "shop"
	demoTopic        = "orders"
	demoSubscription = "invoices"
)

// newDemo returns the identities of the demo with new tokens.
func newDemo(random io.Reader) (Directory, error) {
	d := Directory{Identities: []Identity{
		{Name: Ingest, Role: "ingest"},
		{Name: Publisher, Role: "publisher"},
		{Name: Consumer, Role: "consumer"},
		{Name: ProjectAdmin, Role: "project_admin"},
		{Name: ServiceAdmin, Role: "service_admin"},
	}, Refused: Identity{Name: Expired, Role: "publisher"}}
	return d, d.NewTokens(random)
}

// NewTokens gives each identity a new token.
func (d *Directory) NewTokens(random io.Reader) error {
	var errs []error
	key := func(i *Identity) {
		var err error
		i.Token, err = apikey.New(random)
		errs = append(errs, err)
	}
	for i := range d.Identities {
		key(&d.Identities[i])
	}
	key(&d.Refused)
	return errors.Join(errs...)
}

// directory returns the YAML of the directory that seed imports.
func (d *Directory) directory() []byte {
	digest := func(i int) directory.Digest { return directory.DigestOf(d.Identities[i].Token) }
	return fmt.Appendf(nil, `users:
  - name: `+Ingest+`
    service_roles: [ingest]
    keys:
      - digest: %s
  - name: `+Publisher+`
    keys:
      - digest: %s
  - name: `+Consumer+`
    keys:
      - digest: %s
  - name: `+ProjectAdmin+`
    keys:
      - digest: %s
  - name: `+ServiceAdmin+`
    service_roles: [service_admin]
    keys:
      - digest: %s
  - name: `+Expired+`
    keys:
      - digest: %s
        expires: 2024-12-31T00:00:00Z   # so usher denies it
projects:
  - name: `+demoProject+`
    account: `+setup.AccountApp+`
    members:
      - {user: `+Publisher+`, roles: [publisher]}
      - {user: `+Consumer+`, roles: [consumer]}
      - {user: `+ProjectAdmin+`, roles: [project_admin]}
      - {user: `+Expired+`, roles: [publisher]}
    topics:
      - {name: `+demoTopic+`, acl: [`+Publisher+`, `+Expired+`]}
      - {name: returns, acl: []}
    subscriptions:
      - {name: `+demoSubscription+`, topic: `+demoTopic+`, acl: [`+Consumer+`]}
`, digest(0), digest(1), digest(2), digest(3), digest(4), directory.DigestOf(d.Refused.Token))
}

// Load reads demo.json. It fails if another user can write the file.
func (d *Directory) Load(path string) error {
	b, _, err := ownedfile.Read(path, ownedfile.Rule{})
	if err != nil {
		return fmt.Errorf("read demo: %w", err)
	}
	if err := json.Unmarshal(b, d); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(d.Identities) == 0 {
		return fmt.Errorf("read %s: no identities", path)
	}
	return nil
}

// DirTokens is the folder with a token file for each demo identity.
const DirTokens = "tokens"

// Save writes the token files and then demo.json.
func (d *Directory) Save(dir string) error {
	for _, i := range append([]Identity{d.Refused}, d.Identities...) {
		if err := secretfile.Write(filepath.Join(dir, DirTokens, i.Name), []byte(i.Token+"\n")); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("write demo: %w", err)
	}
	return secretfile.Write(filepath.Join(dir, FileDemo), append(b, '\n'))
}

// Token returns the token of an identity.
func (d *Directory) Token(name string) string {
	for _, i := range d.Identities {
		if i.Name == name {
			return i.Token
		}
	}
	return ""
}
