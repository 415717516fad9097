package checkup

import (
	"os"
	"path/filepath"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

// TestCheckRuleNames: check finds what rules of identities name and the directory lacks.
func TestCheckRuleNames(t *testing.T) {
	t.Parallel()
	const text = `users:
  - {name: alice}
projects:
  - name: shop
    account: APP
    topics: [{name: orders}]
    subscriptions: [{name: billing, topic: orders}]
`
	cfg := config.Default()
	cfg.Directory.File = filepath.Join(t.TempDir(), "directory.yaml")
	callouttest.Must(t, os.WriteFile(cfg.Directory.File, []byte(text), 0o600))
	check := func(rules ...config.IdentityRule) (f finding.List) {
		cfg.Identities.Rules = rules
		s, _ := loadDirectory(t.Context(), &f, "usher.yaml", &cfg, true)
		checkRuleNames(&f, "usher.yaml", &cfg, s)
		return f
	}
	if f := check(
		config.IdentityRule{Name: "alice", User: "alice"},
		config.IdentityRule{Name: "inserted", User: "{claims.name}"},
		config.IdentityRule{Name: "ci", Roles: []config.IdentityRole{
			{Project: "shop", Topics: []string{"orders"}},
			{Project: "shop", Subscriptions: []string{"billing", "*"}},
			{Project: "shop", Topics: []string{"*"}},
			{Project: "{project}", Topics: []string{"whatever"}},
		}},
	); len(f) != 0 {
		t.Errorf("%+v", f)
	}
	f := check(
		config.IdentityRule{Name: "bob", User: "bob"},
		config.IdentityRule{Name: "ci", Roles: []config.IdentityRole{
			{Project: "shopp", Topics: []string{"orders"}},
			{Project: "shop", Topics: []string{"orderz"}, Subscriptions: []string{"bill"}},
		}},
	)
	for _, want := range []string{
		"rule bob: identities.rules[0].user: the directory has no user bob",
		"rule ci: identities.rules[1].roles[0].project: the directory has no project shopp",
		"rule ci: identities.rules[1].roles[1].topics: the directory has no topic shop/orderz",
		"rule ci: identities.rules[1].roles[1].subscriptions: the directory has no subscription shop/bill",
	} {
		findingtest.Holds(t, f, fault.None, "identities", finding.Warning, want)
	}
	if len(f) != 4 {
		t.Errorf("%+v", f)
	}
}
