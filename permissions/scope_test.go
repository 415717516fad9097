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

// bind reads "APP/publisher INGEST/ingest", as accounts.scopes has them.
func bind(scopes string) *permissions.Policy {
	p := newPolicy()
	for _, s := range strings.Fields(scopes) {
		account, role, _ := strings.Cut(s, "/")
		p.Scoped = append(p.Scoped, permissions.ScopedRole{Account: account, Role: role})
	}
	return p
}

// Who gets a template in place of rules. What asks for a project gets what it has by
// that project alone: a service_admin is not bound to the scope of a role that
// somebody has given it there.
func TestScopes(t *testing.T) {
	tests := []struct {
		name, scopes, user, selection string
		want                          string // "account/scope", or the scopes that do not agree
	}{
		{"nothing is bound", "", "pia", "", "APP/"},
		{"a role that is bound", "APP/publisher", "pia", "", "APP/publisher"},
		{"another role", "APP/publisher", "carl", "", "APP/"},
		{"the role in another account", "OTHER/publisher", "pia", "", "APP/"},
		{"each role has its own", "APP/publisher APP/consumer", "carl", "", "APP/consumer"},
		{"one role is bound, the other not", "APP/publisher", "bob", "", "none, publisher"},
		{"both are bound", "APP/publisher APP/consumer", "bob", "", "consumer, publisher"},
		{"a selected project leaves the other role out", "APP/publisher", "wide", "project=shop", "APP/publisher"},
		{"without one they do not agree", "APP/publisher", "wide", "", "none, publisher"},
		{"a selected account", "APP/publisher", "far", "account=APP", "APP/publisher"},
		{"the project in an account where nothing is bound", "APP/publisher", "far", "project=moon", "OTHER/"},
		{"a service role", "INGEST/ingest", "hab", "", "INGEST/ingest"},
		{"a service role and a project", "INGEST/ingest", "hyb", "", "none, ingest"},
		{"the project alone", "INGEST/ingest", "hyb", "project=edge", "INGEST/"},
		{"a service admin", "APP/service_admin", "root", "", "APP/service_admin"},
		{"a service admin, bound where it is not", "APP/service_admin", "root", "project=moon", "OTHER/"},
		{"a service admin, bound in the account of the project", "OTHER/service_admin", "root", "project=moon", "OTHER/service_admin"},
		{"a service admin that is also a member", "APP/publisher", "boss", "project=shop", "APP/"},
		{"a service admin that is also a member, both bound", "APP/publisher APP/service_admin", "boss", "project=shop", "APP/service_admin"},
	}
	s := snapshotOf(t, world())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := derive(t, bind(tt.scopes), s, tt.user, selection(tt.selection))
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
				t.Errorf("scope %q has rules %q", g.Scope, lines(&g))
			}
			plain, err := derive(t, newPolicy(), s, tt.user, selection(tt.selection))
			if err != nil || !slices.Equal(g.Tags, plain.Tags) || g.InboxPrefix != plain.InboxPrefix {
				t.Errorf("tags %q and inbox %s, without a scope %q and %s", g.Tags, g.InboxPrefix, plain.Tags, plain.InboxPrefix)
			}
		})
	}
}

// The health check is usher's own: no template takes it over.
func TestScopesLeaveHealthCheck(t *testing.T) {
	g, err := bind("HEALTH/healthcheck HEALTH/ingest").Derive(identity.Identity{Name: "usher-healthcheck", Method: identity.MethodHealthCheck}, directory.Facts{})
	if err != nil || g.Scope != "" || len(g.Rules) == 0 {
		t.Errorf("got scope %q, %v", g.Scope, err)
	}
}

// What goes into a template is one token, as it is written; anything else is denied.
func TestScopeTakesTokens(t *testing.T) {
	facts, _ := snapshotOf(t, world()).Facts("pia", "")
	p := bind("APP/publisher")
	for _, tt := range []struct {
		name, key string
		ok        bool
	}{
		{"pia", "laptop", true},
		{"Pia", "Laptop-1_x", true},
		{"pia", "", true}, // no tag then
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
			t.Errorf("user %q is granted, and not issued", tt.name)
		}
		if _, err := newPolicy().Derive(id, facts); err != nil && tt.ok {
			t.Errorf("user %q, without a scope: %v", tt.name, err)
		}
	}
	if err := permissions.ValidateName(&permissions.Grant{}, "a.b"); err != nil {
		t.Errorf("without a scope a name goes into no subject here: %v", err)
	}
}

// Limits of the user cannot be stated beside a template. Networks are: the
// verifier has held the client to them.
func TestScopeLimits(t *testing.T) {
	r := world()
	for i := range r.Users {
		if r.Users[i].Name == "pia" {
			r.Users[i].Limits.ConnectionTypes = []directory.ConnectionType{"WEBSOCKET"}
		}
	}
	s := snapshotOf(t, r)
	if _, err := derive(t, bind("APP/publisher"), s, "pia", identity.Selection{}); !errors.Is(err, permissions.ErrScopeLimits) || !strings.Contains(err.Error(), "connection_types") {
		t.Errorf("got %v", err)
	}
	facts, _ := snapshotOf(t, world()).Facts("pia", "")
	id := identityOf("pia", identity.Selection{})
	id.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if g, err := bind("APP/publisher").Derive(id, facts); err != nil || g.Networks != nil {
		t.Errorf("got %v, %v", g.Networks, err)
	}
}

// Accounts that nobody is placed in are no better with a template.
func TestScopeNeverCalloutNorSystem(t *testing.T) {
	for _, account := range []string{"AUTH", "SYS"} {
		r := world()
		r.Projects[0].Account = account
		_, err := derive(t, bind(account+"/publisher"), snapshotOf(t, r), "pia", identity.Selection{})
		if !errors.Is(err, permissions.ErrInvariant) {
			t.Errorf("%s: got %v", account, err)
		}
	}
}

// The name of a scoped user JWT holds no selection, so at a reload of nats-server a
// connection that had selected a project asks with the user's own name.
//
// Attack: after a reload of nats-server a scoped connection that selected a project has those of all projects of its user, or leaves the scope
// Held by: the user's own name is denied where another project, or none, could have been selected
func TestOwnNameBesideAScope(t *testing.T) {
	s := snapshotOf(t, world())
	for _, tt := range []struct {
		name, scopes, user string
		denied             bool
	}{
		{"one project, bound", "APP/publisher", "pia", false},
		{"two projects, both bound", "APP/publisher APP/consumer APP/project_admin", "wide", true},
		{"two projects, none bound", "", "wide", false},
		{"a service admin that is bound", "APP/service_admin", "root", true},
		{"a service admin that is bound elsewhere", "OTHER/service_admin", "root", true},
		{"a service admin where others are bound", "APP/publisher", "root", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := derive(t, bind(tt.scopes), s, tt.user, identity.Selection{OwnName: true})
			if errors.Is(err, permissions.ErrAmbiguousScope) != tt.denied {
				t.Errorf("got %v", err)
			}
			if _, err := derive(t, bind(tt.scopes), s, tt.user, identity.Selection{}); tt.denied && tt.user == "root" && err != nil {
				t.Errorf("under another name: %v", err)
			}
		})
	}
}
