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

// DemoIdentity is one identity of the demo directory.
type DemoIdentity struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Token string `json:"token"`
}

// Demo is the directory of "usher dev", with the tokens that no real directory keeps.
type Demo struct {
	Identities []DemoIdentity `json:"identities"`
	Refused    DemoIdentity   `json:"refused"`
	Operator   bool           `json:"operator,omitempty"` // the directory is one of operator mode
}

const (
	DemoIngest    = "habitat"
	DemoPublisher = "webshop"
	DemoConsumer  = "billing"
	DemoPAdmin    = "shopadmin"
	DemoSAdmin    = "operator"
	DemoFormer    = "former"

	demoProject      = "shop"
	demoTopic        = "orders"
	demoSubscription = "invoices"
)

func newDemo(random io.Reader) (Demo, error) {
	d := Demo{Identities: []DemoIdentity{
		{Name: DemoIngest, Role: "ingest"},
		{Name: DemoPublisher, Role: "publisher"},
		{Name: DemoConsumer, Role: "consumer"},
		{Name: DemoPAdmin, Role: "project_admin"},
		{Name: DemoSAdmin, Role: "service_admin"},
	}, Refused: DemoIdentity{Name: DemoFormer, Role: "publisher"}}
	var errs []error
	key := func(i *DemoIdentity) {
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
func (d *Demo) directory() []byte {
	digest := func(i int) directory.Digest { return directory.DigestOf(d.Identities[i].Token) }
	return fmt.Appendf(nil, `users:
  - name: `+DemoIngest+`
    service_roles: [ingest]
    keys:
      - digest: %s
  - name: `+DemoPublisher+`
    keys:
      - digest: %s
  - name: `+DemoConsumer+`
    keys:
      - digest: %s
  - name: `+DemoPAdmin+`
    keys:
      - digest: %s
  - name: `+DemoSAdmin+`
    service_roles: [service_admin]
    keys:
      - digest: %s
  - name: `+DemoFormer+`
    keys:
      - digest: %s
        expires: 2024-12-31T00:00:00Z   # so this one is refused
projects:
  - name: `+demoProject+`
    account: `+setup.AccountApp+`
    members:
      - {user: `+DemoPublisher+`, roles: [publisher]}
      - {user: `+DemoConsumer+`, roles: [consumer]}
      - {user: `+DemoPAdmin+`, roles: [project_admin]}
      - {user: `+DemoFormer+`, roles: [publisher]}
    topics:
      - {name: `+demoTopic+`, acl: [`+DemoPublisher+`, `+DemoFormer+`]}
      - {name: returns, acl: []}
    subscriptions:
      - {name: `+demoSubscription+`, topic: `+demoTopic+`, acl: [`+DemoConsumer+`]}
`, digest(0), digest(1), digest(2), digest(3), digest(4), directory.DigestOf(d.Refused.Token))
}

func (d *Demo) Load(path string) error {
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

// DirTokens holds one file with the token of each demo identity.
const DirTokens = "tokens"

func (d *Demo) save(dir string) error {
	for _, i := range append([]DemoIdentity{d.Refused}, d.Identities...) {
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

func (d *Demo) token(name string) string {
	for _, i := range d.Identities {
		if i.Name == name {
			return i.Token
		}
	}
	return ""
}
