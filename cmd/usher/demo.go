package main

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

// demoIdentity is one identity of the demo directory.
type demoIdentity struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Token string `json:"token"`
}

// demo is the directory of "usher dev", with the tokens that no real directory keeps.
type demo struct {
	Identities []demoIdentity `json:"identities"`
	Refused    demoIdentity   `json:"refused"`
	Operator   bool           `json:"operator,omitempty"` // the directory is one of operator mode
}

const (
	demoIngest    = "habitat"
	demoPublisher = "webshop"
	demoConsumer  = "billing"
	demoPAdmin    = "shopadmin"
	demoSAdmin    = "operator"
	demoFormer    = "former"

	demoProject      = "shop"
	demoTopic        = "orders"
	demoSubscription = "invoices"
)

func newDemo(random io.Reader) (demo, error) {
	d := demo{Identities: []demoIdentity{
		{Name: demoIngest, Role: "ingest"},
		{Name: demoPublisher, Role: "publisher"},
		{Name: demoConsumer, Role: "consumer"},
		{Name: demoPAdmin, Role: "project_admin"},
		{Name: demoSAdmin, Role: "service_admin"},
	}, Refused: demoIdentity{Name: demoFormer, Role: "publisher"}}
	var errs []error
	key := func(i *demoIdentity) {
		var err error
		i.Token, err = apikey.New(random)
		errs = append(errs, err)
	}
	for i := range d.Identities {
		key(&d.Identities[i])
	}
	key(&d.Refused)
	return d, errors.Join(errs...)
}

// directory returns what the directory is seeded with.
func (d *demo) directory() []byte {
	digest := func(i int) directory.Digest { return directory.DigestOf(d.Identities[i].Token) }
	return fmt.Appendf(nil, `users:
  - name: `+demoIngest+`
    service_roles: [ingest]
    keys:
      - digest: %s
  - name: `+demoPublisher+`
    keys:
      - digest: %s
  - name: `+demoConsumer+`
    keys:
      - digest: %s
  - name: `+demoPAdmin+`
    keys:
      - digest: %s
  - name: `+demoSAdmin+`
    service_roles: [service_admin]
    keys:
      - digest: %s
  - name: `+demoFormer+`
    keys:
      - digest: %s
        expires: 2024-12-31T00:00:00Z   # so this one is refused
projects:
  - name: `+demoProject+`
    account: `+setup.AccountApp+`
    members:
      - {user: `+demoPublisher+`, roles: [publisher]}
      - {user: `+demoConsumer+`, roles: [consumer]}
      - {user: `+demoPAdmin+`, roles: [project_admin]}
      - {user: `+demoFormer+`, roles: [publisher]}
    topics:
      - {name: `+demoTopic+`, acl: [`+demoPublisher+`, `+demoFormer+`]}
      - {name: returns, acl: []}
    subscriptions:
      - {name: `+demoSubscription+`, topic: `+demoTopic+`, acl: [`+demoConsumer+`]}
`, digest(0), digest(1), digest(2), digest(3), digest(4), directory.DigestOf(d.Refused.Token))
}

func (d *demo) load(path string) error {
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

// dirTokens holds one file with the token of each demo identity.
const dirTokens = "tokens"

func (d *demo) save(dir string) error {
	for _, i := range append([]demoIdentity{d.Refused}, d.Identities...) {
		if err := secretfile.Write(filepath.Join(dir, dirTokens, i.Name), []byte(i.Token+"\n")); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("write demo: %w", err)
	}
	return secretfile.Write(filepath.Join(dir, fileDemo), append(b, '\n'))
}

func (d *demo) token(name string) string {
	for _, i := range d.Identities {
		if i.Name == name {
			return i.Token
		}
	}
	return ""
}
