package assembly

import (
	"fmt"
	"slices"
	"testing"

	"usher/callout/callouttest"
	"usher/issuer"
	"usher/permissions"
)

// TestAccountProblems: each account without a signing key is reported once.
func TestAccountProblems(t *testing.T) {
	keys := map[string]callouttest.Keys{}
	for _, name := range []string{"AUTH", "APP", "LAB", "EMPTY"} {
		keys[name] = callouttest.NewKeys(t)
	}
	ring := func(alias string, places ...issuer.Place) *issuer.Keyring {
		t.Helper()
		operator := issuer.Operator{Callout: "AUTH"}
		for name, k := range keys {
			operator.Accounts = append(operator.Accounts, issuer.Account{Name: name, PublicKey: k.Issuer})
		}
		if alias != "" {
			operator.Accounts = append(operator.Accounts, issuer.Account{Name: alias, PublicKey: keys["AUTH"].Issuer})
		}
		var held []issuer.LoadedKey
		for _, p := range append(places, issuer.Place{Account: "AUTH"}) {
			s, err := issuer.NewSigner([]byte(callouttest.NewKeys(t).IssuerSeed))
			callouttest.Must(t, err)
			held = append(held, issuer.LoadedKey{Signer: s, Key: issuer.Key{
				Kind: issuer.KindSigning, PublicKey: s.PublicKey(), Account: p.Account, Scope: p.Scope, State: issuer.StateActive,
			}})
		}
		k, err := issuer.NewKeyring(held, &operator)
		callouttest.Must(t, err)
		return k
	}
	const users = "users:\n  - {name: pia, keys: [{digest: KEY(pia)}]}\n  - {name: hab, service_roles: [ingest], keys: [{digest: KEY(hab)}]}\n"
	project := func(account string, roles string) string {
		return fmt.Sprintf("%sprojects:\n  - {name: shop, account: %s, members: [{user: pia, roles: [%s]}]}\n", users, account, roles)
	}
	scoped := []permissions.ScopedRole{{Account: "APP", Role: "publisher"}}
	app, health := issuer.Place{Account: "APP"}, issuer.Place{Account: "EMPTY"}
	publisher := issuer.Place{Account: "APP", Scope: "publisher"}
	tests := []struct {
		name, directory string
		scoped          []permissions.ScopedRole
		keys            *issuer.Keyring
		want            []string
	}{
		{"everything is there", project("APP", "publisher"), nil, ring("", app, health), nil},
		{"no key of the account", project("LAB", "publisher"), nil, ring("", app, health), []string{"project shop: uses account LAB, but the keyring has no active signing key for it"}},
		{"an account that keyring.yaml does not know", project("MOON", "publisher"), nil, ring("", app, health), []string{`project shop: uses account "MOON", which is not in keyring.yaml`}},
		{"the callout account under another name", project("FRONT", "publisher"), nil, ring("FRONT", app, health, issuer.Place{Account: "FRONT"}), []string{
			`project shop: uses account "FRONT", which is the callout account under another name`,
		}},
		{"a role that needs its scope", project("APP", "publisher"), scoped, ring("", app, health), []string{"project shop: uses account APP, scope publisher, but the keyring has no active signing key for it"}},
		{"a scope is enough for those who are bound to it", project("APP", "publisher"), scoped, ring("", publisher, health, app), nil},
		{"a role that is not bound needs the other key", project("APP", "consumer"), scoped, ring("", publisher, health), []string{
			"project shop: uses account APP, but the keyring has no active unscoped signing key for it", // user hab too
		}},
		{"the health check", project("APP", "publisher"), nil, ring("", app), []string{"accounts.healthcheck: uses account EMPTY, but the keyring has no active signing key for it"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			policy := &permissions.Policy{IngestAccount: "APP", HealthCheckAccount: "EMPTY", CalloutAccount: "AUTH", SystemAccount: "SYS", Scoped: tt.scoped}
			var got []string
			for _, p := range AccountProblems(policy, callouttest.ParseDirectory(t, callouttest.WithDigests(tt.directory)), tt.keys) {
				if p.Hint == "" {
					t.Errorf("%s: no hint", p.Path)
				}
				got = append(got, p.Path+": "+p.Message)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
	single, err := issuer.NewSigner([]byte(keys["APP"].IssuerSeed))
	callouttest.Must(t, err)
	k, err := issuer.NewKeyring([]issuer.LoadedKey{{Signer: single, Key: issuer.Key{PublicKey: single.PublicKey()}}}, nil)
	callouttest.Must(t, err)
	if p := AccountProblems(&permissions.Policy{}, callouttest.ParseDirectory(t, callouttest.WithDigests(project("MOON", "publisher"))), k); p != nil {
		t.Errorf("in config mode one key signs for every account: %v", p)
	}
}
