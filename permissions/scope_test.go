package permissions_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// policyWithScopes parses "APP/publisher INGEST/ingest", as in accounts.scopes.
func policyWithScopes(scopes string) *permissions.Policy {
	p := newPolicy()
	for _, s := range strings.Fields(scopes) {
		account, role, _ := strings.Cut(s, "/")
		p.Scoped = append(p.Scoped, permissions.ScopedRole{Account: account, Role: role})
	}
	return p
}

// Which users get a template in place of rules. A service_admin who selects a project
// does not get the scope of a role in that project.
func TestScopes(t *testing.T) {
	tests := []struct {
		name, scopes, user, selection string
		want                          string // "account/scope", or the scopes that differ
	}{
		{"no scopes", "", "pia", "", "APP/"},
		{"a role with a scope", "APP/publisher", "pia", "", "APP/publisher"},
		{"another role", "APP/publisher", "carl", "", "APP/"},
		{"the role in another account", "OTHER/publisher", "pia", "", "APP/"},
		{"each role has its own", "APP/publisher APP/consumer", "carl", "", "APP/consumer"},
		{"one role has a scope, the other not", "APP/publisher", "bob", "", "none, publisher"},
		{"both have one", "APP/publisher APP/consumer", "bob", "", "consumer, publisher"},
		{"a selected project leaves the other role out", "APP/publisher", "wide", "project=shop", "APP/publisher"},
		{"without a selection they differ", "APP/publisher", "wide", "", "none, publisher"},
		{"a selected account", "APP/publisher", "far", "account=APP", "APP/publisher"},
		{"a project in an account without scopes", "APP/publisher", "far", "project=moon", "OTHER/"},
		{"a service role", "INGEST/ingest", "hab", "", "INGEST/ingest"},
		{"a service role and a project", "INGEST/ingest", "hyb", "", "none, ingest"},
		{"the project alone", "INGEST/ingest", "hyb", "project=edge", "INGEST/"},
		{"a service admin", "APP/service_admin", "root", "", "APP/service_admin"},
		{"a service admin, in an account without its scope", "APP/service_admin", "root", "project=moon", "OTHER/"},
		{"a service admin, with a scope in the account of the project", "OTHER/service_admin", "root", "project=moon", "OTHER/service_admin"},
		{"a service admin that is also a member", "APP/publisher", "boss", "project=shop", "APP/"},
		{"a service admin that is also a member, both with scopes", "APP/publisher APP/service_admin", "boss", "project=shop", "APP/service_admin"},
	}
	s := snapshotOf(t, testDirectory())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := derive(t, policyWithScopes(tt.scopes), s, tt.user, selection(tt.selection))
			if !strings.Contains(tt.want, "/") {
				if !errors.Is(err, permissions.ErrAmbiguousScope) || !strings.HasSuffix(err.Error(), ": scopes "+tt.want) || g.Account != "" {
					t.Errorf("got %s/%s, %v", g.Account, g.Scope, err)
				}
				return
			}
			if err != nil || g.Account+"/"+g.Scope != tt.want {
				t.Fatalf("got %s/%s, %v", g.Account, g.Scope, err)
			}
			if scoped := g.Scope != ""; scoped != (len(g.Rules) == 0) {
				t.Errorf("scope %q has rules %q", g.Scope, ruleStrings(&g))
			}
			plain, err := derive(t, newPolicy(), s, tt.user, selection(tt.selection))
			if err != nil || !slices.Equal(g.Tags, plain.Tags) || g.InboxPrefix != plain.InboxPrefix {
				t.Errorf("tags %q and inbox %s, without a scope %q and %s", g.Tags, g.InboxPrefix, plain.Tags, plain.InboxPrefix)
			}
		})
	}
}

// usher's own health check never has a scope.
func TestHealthCheckHasNoScope(t *testing.T) {
	g, err := policyWithScopes("HEALTH/healthcheck HEALTH/ingest").Derive(identity.Identity{Name: "usher-healthcheck", Method: identity.MethodHealthCheck}, directory.Facts{})
	if err != nil || g.Scope != "" || len(g.Rules) == 0 {
		t.Errorf("got scope %q, %v", g.Scope, err)
	}
}

// Name and key id must be single tokens for a template; otherwise the grant is denied.
func TestScopeNeedsTokens(t *testing.T) {
	facts, _ := snapshotOf(t, testDirectory()).Facts("pia", "")
	p := policyWithScopes("APP/publisher")
	for _, tt := range []struct {
		name, key string
		ok        bool
	}{
		{"pia", "laptop", true},
		{"Pia", "Laptop-1_x", true},
		{"pia", "", true}, // gives no tag
		{"p\u00efa", "x", true},
		{"pia@example", "x", true},
		{"pia", "a:b", true},
		{"a.b", "x", false},
		{"*", "x", false},
		{">", "x", false},
		{"a*", "x", false},
		{"", "x", false},
		{"two words", "x", false},
		{"a\u00a0b", "x", false},
		{"a\x00", "x", false},
		{"\xff", "x", false},
		{"{{tag(project)}}", "x", false},
		{"pia", "a.b", false},
		{"pia", ">", false},
		{"pia", "two words", false},
		{"pia", "{{name()}}", false},
	} {
		id := identityOf(tt.name, identity.Selection{})
		id.KeyID = tt.key
		g, err := p.Derive(id, facts)
		if tt.ok && err != nil || !tt.ok && (!errors.Is(err, permissions.ErrNotOneToken) || errors.Is(err, permissions.ErrInvariant) || g.Account != "") {
			t.Errorf("user %q, key %q: got %v", tt.name, tt.key, err)
		}
		if tt.ok && tt.key != "" && !slices.Contains(g.Tags, "key:"+tt.key) {
			t.Errorf("key %q: tags %q", tt.key, g.Tags)
		}
		if tt.ok && permissions.ValidateName(&g, tt.name) != nil {
			t.Errorf("user %q is granted, but the name is not valid", tt.name)
		}
		if _, err := newPolicy().Derive(id, facts); err != nil && tt.ok {
			t.Errorf("user %q, without a scope: %v", tt.name, err)
		}
	}
	if err := permissions.ValidateName(&permissions.Grant{}, "a.b"); err != nil {
		t.Errorf("without a scope: %v", err)
	}
}

// A scoped user JWT cannot carry connection types. Networks are dropped, because the
// verifier has checked them.
func TestScopeLimits(t *testing.T) {
	r := testDirectory()
	for i := range r.Users {
		if r.Users[i].Name == "pia" {
			r.Users[i].Limits.ConnectionTypes = []directory.ConnectionType{"WEBSOCKET"}
		}
	}
	s := snapshotOf(t, r)
	if _, err := derive(t, policyWithScopes("APP/publisher"), s, "pia", identity.Selection{}); !errors.Is(err, permissions.ErrScopeLimits) || !strings.Contains(err.Error(), "connection_types") {
		t.Errorf("got %v", err)
	}
	facts, _ := snapshotOf(t, testDirectory()).Facts("pia", "")
	id := identityOf("pia", identity.Selection{})
	id.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if g, err := policyWithScopes("APP/publisher").Derive(id, facts); err != nil || g.Networks != nil {
		t.Errorf("got %v, %v", g.Networks, err)
	}
}

// The callout and the system account are refused with a scope too.
func TestScopeInForbiddenAccount(t *testing.T) {
	for _, account := range []string{"AUTH", "SYS"} {
		r := testDirectory()
		r.Projects[0].Account = account
		_, err := derive(t, policyWithScopes(account+"/publisher"), snapshotOf(t, r), "pia", identity.Selection{})
		if !errors.Is(err, permissions.ErrInvariant) {
			t.Errorf("%s: got %v", account, err)
		}
	}
}

// The name of a scoped user JWT has no selection. After a reload of nats-server, a
// connection that had selected a project therefore has the user's own name.
//
// Attack: after a reload of nats-server, a scoped connection that selected a project gets the permissions of all projects of its user, or leaves the scope
// Held by: the user's own name is denied if the connection may have selected a project
func TestOwnNameWithScope(t *testing.T) {
	s := snapshotOf(t, testDirectory())
	for _, tt := range []struct {
		name, scopes, user string
		denied             bool
	}{
		{"one project, with a scope", "APP/publisher", "pia", false},
		{"two projects, both with scopes", "APP/publisher APP/consumer APP/project_admin", "wide", true},
		{"two projects without scopes", "", "wide", false},
		{"a service admin with a scope", "APP/service_admin", "root", true},
		{"a service admin with a scope in another account", "OTHER/service_admin", "root", true},
		{"a service admin without a scope, where others have one", "APP/publisher", "root", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := derive(t, policyWithScopes(tt.scopes), s, tt.user, identity.Selection{OwnName: true})
			if errors.Is(err, permissions.ErrAmbiguousScope) != tt.denied {
				t.Errorf("got %v", err)
			}
			if _, err := derive(t, policyWithScopes(tt.scopes), s, tt.user, identity.Selection{}); tt.denied && tt.user == "root" && err != nil {
				t.Errorf("under another name: %v", err)
			}
		})
	}
}
