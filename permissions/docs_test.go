package permissions_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

//go:generate go test -run ^TestDocs$ -count 1 . -args -update

var update = flag.Bool("update", false, "write the tables of docs/reference/permissions.md")

// The subjects in docs/reference/permissions.md are those of Derive.
func TestDocs(t *testing.T) {
	callouttest.CheckDocsTable(t, "reference/permissions.md", "subjects", subjectTables(t), *update)
}

// subjectTables returns one table for each role in project shop, which is alone in its
// account and has topic orders, topic prices with a subject of its own, and subscription
// billing.
func subjectTables(t *testing.T) string {
	t.Helper()
	r := directory.Records{
		Users: []directory.User{user("U"), user("A", directory.ServiceRoleIngest), user("B", directory.ServiceRoleAdmin), user("C"), user("D")},
		Projects: []directory.Project{{
			Name: "shop", Account: "APP",
			Members: []directory.Member{
				member("U", directory.RolePublisher), member("C", directory.RoleConsumer), member("D", directory.RoleProjectAdmin),
			},
			Topics: []directory.Topic{
				{Name: "orders", ACL: []string{"U"}}, {Name: "prices", Subject: "market.prices", ACL: []string{"U"}}, {Name: "returns"},
			},
			Subscriptions: []directory.Subscription{{Name: "billing", Topic: "orders", ACL: []string{"C"}}},
		}},
	}
	s := snapshotOf(t, r)
	var b strings.Builder
	write := func(title string, g permissions.Grant, err error, name string) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n### %s\n\n| side | effect | subject |\n|---|---|---|\n", title)
		for rules := g.Rules; len(rules) > 0; {
			r, longer := rules[0], longerRules(rules)
			subject := "`" + strings.Replace(r.Subject, "_INBOX_"+name, "_INBOX_<user>", 1) + "`"
			if longer > 1 {
				subject += fmt.Sprintf(", alone or followed by `.*` 1 to %d times", longer)
			} else {
				longer = 0
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Side, r.Effect, subject)
			rules = rules[1+longer:]
		}
	}
	for _, x := range []struct{ title, name string }{
		{"publisher, in the ACL of topics orders and prices", "U"},
		{"consumer, in the ACL of subscription billing", "C"},
		{"project_admin", "D"},
		{"service_admin", "B"},
		{"ingest", "A"},
	} {
		g, err := derive(t, newPolicy(), s, x.name, identity.Selection{})
		write(x.title, g, err, x.name)
	}
	g, err := newPolicy().Derive(identity.Identity{Name: "usher-healthcheck", Method: identity.MethodHealthCheck}, directory.Facts{})
	write("usher's own health check", g, err, "usher-healthcheck")
	g, err = newPolicy().Derive(identity.Identity{Name: "usher-service", Method: identity.MethodService, Selection: identity.Selection{Account: "APP"}}, directory.Facts{})
	write("usher's own connections into the accounts of projects", g, err, "usher-service")
	b.WriteString("\n")
	var services []directory.ServiceRole
	for _, role := range directory.ServiceRoles() {
		if permissions.OnNATS(role) {
			services = append(services, role)
		}
	}
	if n := strings.Count(b.String(), "\n### "); n != len(slices.Concat(roleNames(directory.Roles()), roleNames(services)))+2 {
		t.Errorf("%d tables: a role is not documented", n)
	}
	return b.String()
}

// longerRules returns how many rules after the first are each the rule before with one
// more token.
func longerRules(rules []permissions.Rule) int {
	n := 0
	for n+1 < len(rules) && rules[n+1].Subject == rules[n].Subject+".*" {
		n++
	}
	return n
}

func roleNames[T ~string](roles []T) []string {
	var out []string
	for _, r := range roles {
		out = append(out, string(r))
	}
	return out
}
