package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/app/config"
	"usher/callout/callouttest"
)

const reloadBase = `accounts: {callout: AUTH, system: SYS}
keyring: {dir: keys}
directory: {file: directory.yaml}
credentials: {oidc: [{name: corp, issuer: "https://idp.example.com", audiences: [usher]}]}
identities:
  rules: [{name: people, when: [{fact: authority, equals: corp}], user: "{id}"}]
profiles: [{name: billing, account: APP, publish: [a]}]
`

func fileOf(t *testing.T, text string) *config.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usher.yaml")
	callouttest.Must(t, os.WriteFile(path, []byte(text), 0o600))
	f, err := config.ReadFile(path)
	callouttest.Must(t, err)
	return f
}

// A reload takes identities and profiles, and names every other key that has changed. What
// goes only with other keys of the new file is refused.
func TestReload(t *testing.T) {
	base := fileOf(t, reloadBase)
	running, err := base.Load()
	callouttest.Must(t, err)
	digest, err := running.IdentitiesDigest()
	callouttest.Must(t, err)
	for name, tt := range map[string]struct {
		old, replacement string
		same             bool   // identities and profiles are
		restart          string // keys
		fault            string
	}{
		"nothing":                               {"APP", "APP", true, "", ""},
		"another layout":                        {"equals: corp}]", "equals: corp} ]", true, "", ""},
		"a rule":                                {"{id}", "{claims.name}", false, "", ""},
		"match":                                 {"  rules:", "  match: all\n  rules:", false, "", ""},
		"a subject of a profile":                {"[a]", "[b]", false, "", ""},
		"other keys":                            {"profiles:", "log: {level: debug, format: json}\nuser_jwt: {jitter: 0}\naudit: {to: 'off'}\nprofiles:", true, "log.format, audit.to", ""},
		"a rule and an authority":               {"corp", "other", false, "", "usher.yaml:6:59: identities.rules[0].when[0].equals: "},
		"a profile and its account":             {"callout: AUTH, system: SYS}", "callout: NEW, system: SYS}\n", true, "accounts.callout", ""},
		"a profile in the account that is used": {reloadBase, strings.NewReplacer("AUTH", "NEW", "APP", "AUTH").Replace(reloadBase), false, "", "usher.yaml:7:37: profiles[0].account: is the callout account"},
		"a fault":                               {"user:", "colour: red, user:", false, "", "usher.yaml:6:67: identities.rules[0].colour: unknown key"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(reloadBase, tt.old) {
				t.Fatal("nothing to replace")
			}
			text := strings.ReplaceAll(reloadBase, tt.old, tt.replacement)
			next, restart, err := running.Reload(fileOf(t, text))
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) || next != nil {
					t.Fatalf("got %v, want %s", err, tt.fault)
				}
				return
			}
			restart = slices.DeleteFunc(restart, func(key string) bool { return key == "keyring.dir" || key == "directory.file" }) // in another folder
			if got := strings.Join(restart, ", "); err != nil || got != tt.restart {
				t.Fatalf("restart for %q, want %q: %v", got, tt.restart, err)
			}
			got, err := next.IdentitiesDigest()
			callouttest.Must(t, err)
			if (got == digest) != tt.same || next.Accounts.Callout != "AUTH" {
				t.Errorf("digest %x, before %x; %+v", got, digest, next.Log)
			}
		})
	}
}
