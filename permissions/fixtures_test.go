package permissions_test

import (
	"strings"
	"testing"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
)

func newPolicy() *permissions.Policy {
	return &permissions.Policy{
		IngestAccount:      "INGEST",
		AdminAccount:       "APP",
		HealthCheckAccount: "HEALTH",
		CalloutAccount:     "AUTH",
		SystemAccount:      "SYS",
	}
}

func user(name string, roles ...directory.ServiceRole) directory.User {
	return directory.User{
		Name: name, ServiceRoles: roles,
		Keys: []directory.Key{{Digest: directory.DigestOf(name + "-key")}},
	}
}

func member(user string, roles ...directory.Role) directory.Member {
	return directory.Member{User: user, Roles: roles}
}

// testDirectory has two projects in account APP, one in OTHER and one in INGEST.
func testDirectory() directory.Records {
	const (
		padmin = directory.RoleProjectAdmin
		pub    = directory.RolePublisher
		con    = directory.RoleConsumer
	)
	return directory.Records{
		Users: []directory.User{
			user("ann"), user("pia"), user("carl"), user("bob"), user("idle"), user("guest"), user("wide"), user("far"),
			user("root", directory.ServiceRoleAdmin),
			user("hab", directory.ServiceRoleIngest),
			user("hyb", directory.ServiceRoleIngest),
			user("mix", directory.ServiceRoleIngest),
			user("boss", directory.ServiceRoleAdmin),
		},
		Projects: []directory.Project{
			{
				Name: "shop", Account: "APP",
				Members: []directory.Member{
					member("ann", padmin), member("pia", pub), member("carl", con), member("bob", pub, con),
					member("idle", pub, con), member("wide", pub), member("far", pub), member("mix", pub), member("boss", pub),
				},
				Topics: []directory.Topic{
					{Name: "returns"},
					{Name: "orders", ACL: []string{"pia", "bob", "wide", "far", "carl", "mix"}},
					{Name: "prices", Subject: "shop.market.prices", ACL: []string{"pia"}},
				},
				Subscriptions: []directory.Subscription{
					{Name: "billing", Topic: "orders", ACL: []string{"carl", "bob", "pia"}},
					{Name: "audit", Topic: "orders"},
				},
			},
			{
				Name: "lab", Account: "APP",
				Members: []directory.Member{member("wide", con, pub)},
				Topics:  []directory.Topic{{Name: "results"}, {Name: "raw", ACL: []string{"wide"}}},
				Subscriptions: []directory.Subscription{
					{Name: "reader", Topic: "results", ACL: []string{"wide"}},
				},
			},
			{
				Name: "moon", Account: "OTHER",
				Members: []directory.Member{member("far", padmin)},
				Topics:  []directory.Topic{{Name: "dust"}, {Name: "prices", Subject: "market.prices"}}, // alone in the account
			},
			{
				Name: "edge", Account: "INGEST",
				Members: []directory.Member{member("hyb", pub)},
				Topics:  []directory.Topic{{Name: "raw", ACL: []string{"hyb"}}},
			},
		},
	}
}

func snapshotOf(tb testing.TB, r directory.Records) *snapshot.Snapshot {
	tb.Helper()
	s, err := snapshot.New(r)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func identityOf(name string, sel identity.Selection) identity.Identity {
	return identity.Identity{
		Name: name, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey, KeyID: "laptop", Selection: sel,
	}
}

func derive(tb testing.TB, p *permissions.Policy, s *snapshot.Snapshot, name string, sel identity.Selection) (permissions.Grant, error) {
	tb.Helper()
	facts, ok := s.Facts(name, sel.Project)
	if !ok {
		tb.Fatalf("no user %q", name)
	}
	return p.Derive(identityOf(name, sel), facts)
}

// selection parses "project=P", "account=A" or an empty string.
func selection(text string) identity.Selection {
	p, _ := strings.CutPrefix(text, "project=")
	a, account := strings.CutPrefix(text, "account=")
	switch {
	case text == "":
		return identity.Selection{}
	case account:
		return identity.Selection{Account: a}
	default:
		return identity.Selection{Project: p}
	}
}

// ruleStrings returns the rules of a grant as "publish allow subject".
func ruleStrings(g *permissions.Grant) []string {
	var out []string
	for _, r := range g.Rules {
		out = append(out, string(r.Side)+" "+string(r.Effect)+" "+r.Subject)
	}
	return out
}
