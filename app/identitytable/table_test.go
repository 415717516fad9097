package identitytable

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/app/config"
	"usher/app/explanation"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory/snapshot"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/tokens"
	"usher/tokens/apikey"
)

func inputs(t *testing.T, cfg *config.Config, directory string) explanation.Inputs {
	t.Helper()
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(directory))
	keys, err := keyring.Load(callouttest.KeyringDir(t, false, callouttest.NewKeys(t)), keyring.Config{})
	callouttest.Must(t, err)
	rules, problems := cfg.IdentityRules()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	clock := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	snapshots := func() *snapshot.Snapshot { return current }
	return explanation.Inputs{
		Decider: &callout.Decider{
			Chain: tokens.Chain{apikey.NewVerifier(snapshots, clock)}, Snapshot: snapshots, Ruleset: callout.FixedRuleset(callouttest.Policy(), rules),
		},
		Keyring: func() *issuer.Keyring { return keys }, Now: clock,
	}
}

// Tokens are verified, from a file beside the table, and compared like identities.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	callouttest.Must(t, os.WriteFile(filepath.Join(dir, "token"), []byte("elsewhere-key\n"), 0o600))
	table := filepath.Join(dir, "table.yaml")
	callouttest.Must(t, os.WriteFile(table, []byte(`
- {name: here, token_file: token, host: 127.0.0.1, expect: {code: key_network}}
- {name: there, token_file: token, host: 192.0.2.1, expect: {outcome: granted, user: elsewhere, roles: [shop/publisher]}}
- {name: project, token_file: token, host: 192.0.2.1, select: project=lab, expect: {code: not_member}}
- {name: wrong, token_file: token, host: 192.0.2.1, expect: {user: other, publish: [x], deny_subscribe: [_INBOX_elsewhere.a]}}
- {name: two, identity: {authority: a, method: oidc, id: x, attributes: {claims: {n: 1}}}, expect: {rule: "one, two"}}
`), 0o600))
	cases, err := Load(table, nil)
	callouttest.Must(t, err)
	in := inputs(t, parseConfig(t, "identities: {match: all, rules: [{name: one, when: [{fact: id, exists: true}], ingest: true}, {name: two, when: [{fact: claims.n, equals: 1}], ingest: true}]}"), callouttest.DirectoryYAML)
	results := Run(t.Context(), in, cases)
	for i, r := range results {
		if r.Line != i+2 || r.Passed != (r.Name != "wrong") {
			t.Errorf("%s, line %d: %+v", r.Name, r.Line, r.Differences)
		}
	}
	want := []Difference{{"user", "other", "elsewhere"}, {"publish x", "yes", "no"}, {"deny_subscribe _INBOX_elsewhere.a", "no", "yes"}}
	if got := results[3].Differences; !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if _, err := Load(filepath.Join(dir, "none"), nil); err == nil {
		t.Error("a file that does not exist")
	}
}

// A mistyped authority would make every case a denial, also one that expects a denial.
func TestUnknownAuthority(t *testing.T) {
	_, err := parse("table.yaml", []byte("- {name: a, identity: {authority: keycloack, method: oidc, id: x}, expect: {outcome: denied}}"), []string{"keycloak", "github"})
	if err == nil || !strings.Contains(err.Error(), `[0].identity.authority: credentials has no authority "keycloack"`) || !strings.Contains(err.Error(), `did you mean "keycloak"?`) {
		t.Error(err)
	}
}

// FuzzParse: a table is parsed, or refused with a place in it.
func FuzzParse(f *testing.F) {
	f.Add("- {name: a, identity: {authority: a, method: oidc, attributes: {claims: {a: [1]}}}, select: project=p, expect: {code: granted, publish: [a.b]}}")
	f.Add("- {name: a, token_file: none, expect: {}}")
	f.Add("[]")
	f.Add("a: b")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "token_file") && !strings.Contains(text, "none") {
			return // it would read files
		}
		cases, err := parse("table.yaml", []byte(text), []string{"a"})
		if err == nil && len(cases) == 0 || err != nil && !strings.HasPrefix(err.Error(), "table.yaml:") {
			t.Errorf("%d cases, %v", len(cases), err)
		}
	})
}
