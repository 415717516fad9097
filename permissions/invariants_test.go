package permissions_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// validGrant returns a grant that Validate accepts unless the rules are invalid.
func validGrant(rules ...permissions.Rule) *permissions.Grant {
	return &permissions.Grant{Account: "APP", Rules: rules, ConnectionTypes: []directory.ConnectionType{directory.ConnectionStandard}}
}

func rule(side permissions.Side, effect permissions.Effect, subject string) permissions.Rule {
	return permissions.Rule{Side: side, Effect: effect, Subject: subject}
}

func pubAllow(s string) permissions.Rule {
	return rule(permissions.Publish, permissions.Allow, s)
}

func pubDeny(s string) permissions.Rule {
	return rule(permissions.Publish, permissions.Deny, s)
}

func subAllow(s string) permissions.Rule {
	return rule(permissions.Subscribe, permissions.Allow, s)
}

func subDeny(s string) permissions.Rule {
	return rule(permissions.Subscribe, permissions.Deny, s)
}

// Invariant 1: both sides have rules.
//
// Attack: a client whose grant has rules for one side only does anything on the other side
// Held by: every grant has rules for both sides, and an empty side denies everything
func TestInvariant1BothSides(t *testing.T) {
	tests := []struct {
		name  string
		rules []permissions.Rule
		ok    bool
	}{
		{"both allowed", []permissions.Rule{pubAllow("a"), subAllow("b")}, true},
		{"publish closed", []permissions.Rule{pubDeny(">"), subAllow("b")}, true},
		{"subscribe closed", []permissions.Rule{pubAllow("a"), subDeny(">")}, true},
		{"both closed", []permissions.Rule{pubDeny(">"), subDeny(">")}, true},
		{"nothing at all", nil, false},
		{"publish open", []permissions.Rule{subAllow("b")}, false},
		{"subscribe open", []permissions.Rule{pubAllow("a")}, false},
		{"publish denied in part", []permissions.Rule{pubDeny("a"), subAllow("b")}, false},
		{"publish denied below a token", []permissions.Rule{pubDeny("*.>"), subAllow("b")}, false},
		{"subscribe denied at one depth", []permissions.Rule{pubAllow("a"), subDeny("*")}, false},
		{"an unknown side", []permissions.Rule{pubAllow("a"), rule("both", permissions.Allow, "b")}, false},
		{"an unknown effect", []permissions.Rule{pubAllow("a"), rule(permissions.Subscribe, "maybe", "b")}, false},
		{"no effect", []permissions.Rule{pubAllow("a"), rule(permissions.Subscribe, "", "b")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkValid(t, newPolicy().Validate(validGrant(tt.rules...)), tt.ok) })
	}
}

func checkValid(t *testing.T, err error, ok bool) {
	t.Helper()
	if ok && err != nil || !ok && !errors.Is(err, permissions.ErrInvariant) {
		t.Errorf("got %v", err)
	}
}

// directoryWithAccount is a directory with one project in account, a member and admins.
func directoryWithAccount(account string) directory.Records {
	return directory.Records{
		Users: []directory.User{
			user("pia"), user("ann"), user("root", directory.ServiceRoleAdmin), user("hab", directory.ServiceRoleIngest),
			user("both", directory.ServiceRoleAdmin),
		},
		Projects: []directory.Project{{
			Name: "trap", Account: account,
			Members: []directory.Member{
				member("pia", directory.RolePublisher), member("ann", directory.RoleProjectAdmin), member("both", directory.RoleProjectAdmin),
			},
			Topics: []directory.Topic{{Name: "t", ACL: []string{"pia"}}},
		}},
	}
}

// Invariant 2: never the callout account, whatever the directory or configuration says.
//
// Attack: a client gets into the callout account, which carries every credential
// Held by: no grant is for the callout account, whatever the directory or configuration says
func TestInvariant2CalloutAccount(t *testing.T) {
	named := newPolicy()
	named.IngestAccount, named.AdminAccount, named.HealthCheckAccount = "AUTH", "AUTH", "AUTH"
	s := snapshotOf(t, directoryWithAccount("AUTH"))
	tests := []struct {
		name            string
		policy          *permissions.Policy
		user, selection string
	}{
		{"a publisher of a project in it", newPolicy(), "pia", ""},
		{"its admin", newPolicy(), "ann", ""},
		{"a member that selects it", newPolicy(), "pia", "account=AUTH"},
		{"a service admin that selects the project", newPolicy(), "root", "project=trap"},
		{"a configuration with it for the admin role", named, "root", ""},
		{"a configuration with it for ingest", named, "hab", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := derive(t, tt.policy, s, tt.user, selection(tt.selection))
			checkValid(t, err, false)
		})
	}
	t.Run("a configuration with it for the health check", func(t *testing.T) {
		_, err := named.Derive(identity.Identity{Name: "h", Method: identity.MethodHealthCheck}, directory.Facts{})
		checkValid(t, err, false)
	})
	t.Run("no account at all", func(t *testing.T) {
		g := validGrant(pubAllow("a"), subAllow("b"))
		g.Account = ""
		checkValid(t, (&permissions.Policy{}).Validate(g), false)
	})
}

// Invariant 2: the system account only for a role for which it is configured.
//
// Attack: a client gets into the system account
// Held by: only a role for which the system account is configured gets into it
func TestInvariant2SystemAccount(t *testing.T) {
	bind := func(change func(p *permissions.Policy)) *permissions.Policy {
		p := newPolicy()
		change(p)
		return p
	}
	admin := bind(func(p *permissions.Policy) { p.AdminAccount = "SYS" })
	addIngest := bind(func(p *permissions.Policy) { p.IngestAccount = "SYS" })
	s := snapshotOf(t, directoryWithAccount("SYS"))
	tests := []struct {
		name            string
		policy          *permissions.Policy
		user, selection string
		ok              bool
	}{
		{"a publisher of a project in it", newPolicy(), "pia", "", false},
		{"its admin", newPolicy(), "ann", "", false},
		{"a service admin that selects the project", newPolicy(), "root", "project=trap", false},
		{"a service admin that selects the account", newPolicy(), "both", "account=SYS", false},
		{"the admin role, configured for it", admin, "root", "", true},
		{"the admin role, configured for it, with the project selected", admin, "root", "project=trap", true},
		{"a publisher, where the admin role is configured for it", admin, "pia", "", false},
		{"a project admin, where the admin role is configured for it", admin, "ann", "", false},
		{"ingest, configured for it", addIngest, "hab", "", true},
		{"a publisher, where ingest is configured for it", addIngest, "pia", "", false},
		{"the admin role, where ingest is configured for it", addIngest, "root", "project=trap", false},
		{"both the admin role and membership in a project there", admin, "both", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := derive(t, tt.policy, s, tt.user, selection(tt.selection))
			checkValid(t, err, tt.ok)
			if tt.ok && g.Account != "SYS" {
				t.Errorf("account %s", g.Account)
			}
		})
	}
	t.Run("a key id that pretends to be a role", func(t *testing.T) {
		facts, _ := s.Facts("pia", "")
		id := identityOf("pia", identity.Selection{})
		id.KeyID = "role:service_admin"
		_, err := admin.Derive(id, facts)
		checkValid(t, err, false)
	})
}

// Invariant 1: no allowance below $JS ends in ">", nor in "*" on the subscribe side, where
// a client may put ">" in its place.
//
// Attack: a project with the name of the JetStream domain acknowledges and reads every stream of its account
// Held by: every subject below $JS in a grant has its exact number of tokens
func TestInvariant1OpenTails(t *testing.T) {
	for subject, ok := range map[string]struct{ publish, subscribe bool }{
		"$JS.ACK.shop.billing.>":         {false, false},
		"$JS.ACK.shop.billing.*.*.*.*.*": {true, false},
		"$JS.ACK.shop.billing.1.1.1.1.1": {true, true},
		"$JS.API.CONSUMER.CREATE.shop.>": {false, false},
		"$JS.API.CONSUMER.CREATE.shop.*": {true, false},
		"$JS.API.CONSUMER.CREATE.*.shop": {true, true},
		"$JS.>":                          {false, false},
		"$JS.*":                          {true, false},
		"*.>":                            {false, false},
		"*.*.>":                          {false, false},
		"*.API.>":                        {false, false},
		"*.API.*":                        {true, false},
		"*.shop.orders":                  {true, true},
		"$JS":                            {true, true},
		"$JSX.>":                         {true, true},
		"shop.>":                         {true, true},
		"shop.*":                         {true, true},
		"*":                              {true, true}, // on the subscribe side this allows the whole account
		">":                              {true, true},
	} {
		checkValid(t, newPolicy().Validate(validGrant(pubAllow(subject), pubDeny(auth), subDeny(">"))), ok.publish)
		checkValid(t, newPolicy().Validate(validGrant(pubDeny(">"), subAllow(subject), subDeny(auth))), ok.subscribe)
		checkValid(t, newPolicy().Validate(validGrant(pubDeny(subject), pubDeny(">"), subDeny(subject), subDeny(">"))), true)
	}
}

const auth = "$SYS.REQ.USER.AUTH"

// Invariant 3: never the auth subject, on either side.
//
// Attack: a client reads credentials, or poses as a server, on $SYS.REQ.USER.AUTH
// Held by: no grant reaches that subject on either side
func TestInvariant3AuthSubject(t *testing.T) {
	reaching := []string{
		auth, ">", "$SYS.>", "$SYS.REQ.>", "$SYS.REQ.USER.>", "$SYS.REQ.USER.*", "$SYS.REQ.*.AUTH", "$SYS.*.USER.AUTH",
		"*.REQ.USER.AUTH", "*.*.*.*", "*.>", "*.*.>", "*.*.*.>", "$SYS.*.*.AUTH", "*.REQ.*.>",
	}
	for _, s := range reaching {
		checkValid(t, newPolicy().Validate(validGrant(pubAllow(s), subAllow("b"))), false)
		checkValid(t, newPolicy().Validate(validGrant(pubAllow("b"), subAllow(s))), false)
		// A denial on the other side, or of a similar subject, does not help.
		checkValid(t, newPolicy().Validate(validGrant(pubAllow(s), subAllow("b"), subDeny(auth))), false)
		checkValid(t, newPolicy().Validate(validGrant(pubAllow(s), pubDeny("$SYS.REQ.USER"), pubDeny(auth+".*"), subAllow("b"))), false)
		// A denial of the subject is enough, unless the allowance also has an open tail below $JS.
		below := strings.HasPrefix(s, "*") && strings.HasSuffix(s, ">")
		checkValid(t, newPolicy().Validate(validGrant(pubAllow(s), pubDeny(auth), subAllow("b"))), !below)
		below = strings.HasPrefix(s, "*") && strings.ContainsAny(s[len(s)-1:], "*>")
		checkValid(t, newPolicy().Validate(validGrant(pubAllow("b"), subAllow(s), subDeny("$SYS.REQ.USER.*"))), !below)
	}
	// A client may subscribe with ">" in place of the "*" that ends a rule.
	for _, s := range []string{"*", "*.*", "*.*.*", "$SYS.*", "$SYS.REQ.*", "*.REQ.*"} {
		checkValid(t, newPolicy().Validate(validGrant(pubAllow(s), subAllow("b"))), true)
		checkValid(t, newPolicy().Validate(validGrant(pubAllow("b"), subAllow(s))), false)
		below := strings.HasPrefix(s, "*.") // it has an open tail below $JS too
		checkValid(t, newPolicy().Validate(validGrant(pubAllow("b"), subAllow(s), subDeny(auth))), !below)
	}
	passing := []string{
		"$SYS", "$SYS.REQ.USER", "$SYS.REQ.USER.INFO", auth + ".x", "*.*.*.*.x", "REQ.>", "$JS.x", "$JS.*.x", "*.REQ.USER.INFO", "$SYS.REQ.USER.AUTH*",
	}
	for _, s := range passing {
		checkValid(t, newPolicy().Validate(validGrant(pubAllow(s), subAllow(s))), true)
	}
}

// Invariant 3 for derived grants: only a service_admin's wildcards match the auth subject,
// and its grant denies it on both sides.
func TestInvariant3Derived(t *testing.T) {
	g, err := derive(t, newPolicy(), snapshotOf(t, testDirectory()), "root", identity.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range permissions.Sides() {
		if v := g.Check(side, auth); v.Allowed {
			t.Errorf("%s is allowed by %v", side, v.Rule)
		}
	}
	if v := g.Check(permissions.Subscribe, "$SYS.>"); !v.Allowed || !v.Filtered || v.Rule.Subject != auth {
		t.Errorf("$SYS.>: %+v", v)
	}
}

// Collapsing drops only rules that a wildcard covers.
//
// Attack: a shortened list of subjects grants more than the list
// Held by: a rule is dropped only if a granted wildcard covers it
func TestInvariant6CollapseNeverWidens(t *testing.T) {
	r := testDirectory()
	p := &r.Projects[0]
	p.Members = append(p.Members, member("guest", directory.Roles()...))
	for i := range p.Topics {
		p.Topics[i].ACL = append(p.Topics[i].ACL, "guest")
	}
	for i := range p.Subscriptions {
		p.Subscriptions[i].ACL = append(p.Subscriptions[i].ACL, "guest")
	}
	s := snapshotOf(t, r)
	g, err := derive(t, newPolicy(), s, "guest", identity.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := derive(t, newPolicy(), s, "ann", identity.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	pub, want := g.Subjects(permissions.Publish, permissions.Allow), admin.Subjects(permissions.Publish, permissions.Allow)
	if !slices.Equal(pub, want) {
		t.Errorf("an admin with every other role publishes %q, an admin alone %q", pub, want)
	}
	for i, a := range g.Rules {
		for j, b := range g.Rules {
			if i != j && a.Side == b.Side && a.Effect == b.Effect && permissions.Covers(a.Subject, b.Subject) {
				t.Errorf("%s is kept, although %s covers it", b.Subject, a.Subject)
			}
		}
	}
}

func TestSubjectsOfASide(t *testing.T) {
	g := validGrant(pubAllow("a"), pubAllow("b"), pubDeny("c"), subAllow("d"))
	if got := g.Subjects(permissions.Publish, permissions.Allow); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
	if got := g.Subjects(permissions.Subscribe, permissions.Deny); got != nil {
		t.Errorf("got %q", got)
	}
}
