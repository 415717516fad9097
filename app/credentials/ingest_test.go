package credentials_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"usher/app/assembly"
	"usher/app/config"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/identity"
	"usher/permissions"
)

// The three ways of docs/how-to/event-gateway-identities.md to say who may send events give
// the same grant, and nothing to others.
func TestIngestGrants(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(callouttest.ModuleRoot(t), "docs", "how-to", "event-gateway-identities.md"))
	callouttest.Must(t, err)
	blocks := map[string]string{} // by what they are about
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		for _, about := range []string{"automate:", "oidc:", "users:"} {
			if strings.Contains(string(block[1]), about) {
				blocks[about] = string(block[1])
			}
		}
	}
	directory := callouttest.ParseDirectory(t, blocks["users:"])
	decide := func(credentials string, id identity.Identity) callout.Decision {
		cfg, err := config.Parse("usher.yaml", []byte("keyring: {dir: keys}\ndirectory: {file: directory.yaml}\n"+credentials))
		callouttest.Must(t, err)
		rules, problems := cfg.IdentityRules()
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		d := &callout.Decider{Ruleset: callout.FixedRuleset(assembly.Policy(cfg), rules)}
		return d.DecideIdentity(directory, id, permissions.MaxAnswer)
	}
	own := decide("accounts: {callout: AUTH, system: SYS, ingest: INGEST}\n", identity.Identity{
		Name: "supervisors", Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey,
	})
	if own.Outcome != callout.Granted || own.Grant.Account != "INGEST" {
		t.Fatalf("%+v", own)
	}
	for about, tt := range map[string]struct {
		good, bad identity.Identity
	}{
		"automate:": {
			identity.Identity{ID: "token:1", Authority: "automate", Method: identity.MethodAutomate, Attributes: identity.Attributes{"claims": map[string]any{"subject": "token:1"}}},
			identity.Identity{ID: "token:1", Authority: "other", Method: identity.MethodAutomate},
		},
		"oidc:": {
			identity.Identity{ID: "sub", Authority: "corp", Method: identity.MethodOIDC, Attributes: identity.Attributes{"claims": map[string]any{"groups": []any{"supervisors"}}}},
			identity.Identity{ID: "sub", Authority: "corp", Method: identity.MethodOIDC, Attributes: identity.Attributes{"claims": map[string]any{"groups": []any{"people"}}}},
		},
	} {
		got := decide(blocks[about], tt.good)
		if got.Outcome != callout.Granted {
			t.Errorf("%s %s: %s", about, got.Code, got.Cause)
			continue
		}
		if want, got := common(own.Grant), common(got.Grant); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", about, got, want)
		}
		if got := decide(blocks[about], tt.bad); got.Outcome != callout.Denied || got.Code != callout.CodeNoIdentityRule {
			t.Errorf("%s %+v", about, got)
		}
	}
}

// common returns a grant without what names the identity: its private inbox, and the tags.
func common(g permissions.Grant) permissions.Grant { //nolint:gocritic // it is changed
	for i := range g.Rules {
		g.Rules[i].Subject = strings.Replace(g.Rules[i].Subject, g.InboxPrefix+".", "_INBOX_x.", 1)
	}
	g.InboxPrefix, g.Tags = "_INBOX_x", nil
	return g
}
