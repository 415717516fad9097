package pushheaders_test

import (
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/checkup/pushheaders"
	"usher/app/config"
	"usher/app/push/service"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/fault"
	"usher/issuer"
	"usher/issuer/keyring"
)

// keysOf returns a keyring of config mode with the issuer keys.
func keysOf(t *testing.T, keys ...callouttest.Keys) *issuer.Keyring {
	t.Helper()
	k, err := keyring.Load(callouttest.KeyringDir(t, false, keys...), keyring.Config{})
	callouttest.Must(t, err)
	return k
}

// What the keyring opens is ok; what is sealed for one of two keys only is a warning; and what
// no key opens is an error.
func TestCheck(t *testing.T) {
	first, second := callouttest.NewKeys(t), callouttest.NewKeys(t)
	one, both, other := keysOf(t, first), keysOf(t, first, second), keysOf(t, second)
	project := directory.Project{ID: uuid.New(), Name: "shop", Account: "APP", Topics: []directory.Topic{{Name: "orders"}}}
	sealed, err := service.NewBox(func() *issuer.Keyring { return one }, rand.Reader, time.Now).Seal(t.Context(), []byte("secret"), project.ID.String()+"/invoices")
	callouttest.Must(t, err)
	project.Subscriptions = []directory.Subscription{{Name: "invoices", Topic: "orders", Push: &directory.Push{
		Endpoint: "https://receiver.example/", Authorization: &directory.PushAuthorization{Sealed: sealed},
	}}}
	s, err := snapshot.New(directory.Records{Projects: []directory.Project{project}})
	callouttest.Must(t, err)
	checked := func(k *issuer.Keyring) (f finding.List) {
		pushheaders.Check(&f, k, s)
		return f
	}
	findingtest.Holds(t, checked(one), fault.None, "push headers", finding.OK, "the keyring opens 1 authorization header")
	findingtest.Holds(t, checked(both), fault.None, "push headers", finding.Warning, "the headers of 1 subscription are not sealed for exactly the signing keys of the keyring: shop/invoices")
	findingtest.Holds(t, checked(other), fault.Config, "push headers", finding.Error, "the keyring opens no header of 1 subscription: shop/invoices")
	empty, err := snapshot.New(directory.Records{})
	callouttest.Must(t, err)
	var f finding.List
	pushheaders.Check(&f, one, empty)
	pushheaders.Check(&f, one, nil)
	if len(f) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestCheckFiles(t *testing.T) {
	var f finding.List
	pushheaders.CheckFiles(&f, &config.Push{CAFile: filepath.Join(t.TempDir(), "none.pem")})
	findingtest.Holds(t, f, fault.Config, "push", finding.Error, "ca_file")
	f = nil
	pushheaders.CheckFiles(&f, &config.Push{})
	if len(f) != 0 {
		t.Errorf("%+v", f)
	}
}
