package permissions_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
)

// handmade returns a grant that Validate accepts, for a test to spoil.
func handmade(rules ...permissions.Rule) *permissions.Grant {
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

// Invariant 1: both sides are stated.
//
// Attack: publishing anywhere with a grant that states only subscriptions, or the other way round
// Held by: every grant states both sides, and an empty side denies everything
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
		{"a side that is none", []permissions.Rule{pubAllow("a"), rule("both", permissions.Allow, "b")}, false},
		{"an effect that is none", []permissions.Rule{pubAllow("a"), rule(permissions.Subscribe, "maybe", "b")}, false},
		{"an effect left out", []permissions.Rule{pubAllow("a"), rule(permissions.Subscribe, "", "b")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkValid(t, newPolicy().Validate(handmade(tt.rules...)), tt.ok) })
	}
}

func checkValid(t *testing.T, err error, ok bool) {
	t.Helper()
	if ok && err != nil || !ok && !errors.Is(err, permissions.ErrInvariant) {
		t.Errorf("got %v", err)
	}
}

// placed is a directory with one project in account, a member and admins.
func placed(account string) directory.Records {
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

// Invariant 2: never the callout account, whoever says so.
//
// Attack: landing in the callout account, where everybody's credentials pass
// Held by: no grant leads into the callout account, whoever says so
func TestInvariant2CalloutAccount(t *testing.T) {
	named := newPolicy()
	named.IngestAccount, named.AdminAccount, named.HealthCheckAccount = "AUTH", "AUTH", "AUTH"
	s := snapshotOf(t, placed("AUTH"))
	tests := []struct {
		name            string
		policy          *permissions.Policy
		user, selection string
	}{
		{"a publisher of a project that the directory puts there", newPolicy(), "pia", ""},
		{"its admin", newPolicy(), "ann", ""},
		{"a member that asks for it", newPolicy(), "pia", "account=AUTH"},
		{"a service admin that selects the project", newPolicy(), "root", "project=trap"},
		{"a configuration that binds the admin role to it", named, "root", ""},
		{"a configuration that binds ingest to it", named, "hab", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := derive(t, tt.policy, s, tt.user, selection(tt.selection))
			checkValid(t, err, false)
		})
	}
	t.Run("a configuration that binds the health check to it", func(t *testing.T) {
		_, err := named.Derive(identity.Identity{Name: "h", Method: identity.MethodHealthCheck}, directory.Facts{})
		checkValid(t, err, false)
	})
	t.Run("no account at all", func(t *testing.T) {
		g := handmade(pubAllow("a"), subAllow("b"))
		g.Account = ""
		checkValid(t, (&permissions.Policy{}).Validate(g), false)
	})
}

// Invariant 2: the system account only for a role that configuration binds to it.
//
// Attack: landing in the system account
// Held by: only a role that configuration binds to it leads into the system account
func TestInvariant2SystemAccount(t *testing.T) {
	bind := func(change func(p *permissions.Policy)) *permissions.Policy {
		p := newPolicy()
		change(p)
		return p
	}
	admin := bind(func(p *permissions.Policy) { p.AdminAccount = "SYS" })
	addIngest := bind(func(p *permissions.Policy) { p.IngestAccount = "SYS" })
	s := snapshotOf(t, placed("SYS"))
	tests := []struct {
		name            string
		policy          *permissions.Policy
		user, selection string
		ok              bool
	}{
		{"a publisher of a project that the directory puts there", newPolicy(), "pia", "", false},
		{"its admin", newPolicy(), "ann", "", false},
		{"a service admin by way of the project", newPolicy(), "root", "project=trap", false},
		{"a service admin that asks for the account", newPolicy(), "both", "account=SYS", false},
		{"the admin role, bound to it", admin, "root", "", true},
		{"the admin role, bound to it, by way of the project", admin, "root", "project=trap", true},
		{"a publisher, where the admin role is bound to it", admin, "pia", "", false},
		{"a project admin, where the admin role is bound to it", admin, "ann", "", false},
		{"ingest, bound to it", addIngest, "hab", "", true},
		{"a publisher, where ingest is bound to it", addIngest, "pia", "", false},
		{"the admin role, where ingest is bound to it", addIngest, "root", "project=trap", false},
		{"both the admin role and membership of a project there", admin, "both", "", false},
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

// Invariant 1: nothing below $JS ends in ">", nor does what a client may put in
// the place of a "*" at the end of a subscribe rule.
//
// Attack: a project called like the JetStream domain acknowledges and reads every stream of its account
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
		"*":                              {true, true}, // one token, and on the subscribe side the whole account
		">":                              {true, true},
	} {
		checkValid(t, newPolicy().Validate(handmade(pubAllow(subject), pubDeny(auth), subDeny(">"))), ok.publish)
		checkValid(t, newPolicy().Validate(handmade(pubDeny(">"), subAllow(subject), subDeny(auth))), ok.subscribe)
		checkValid(t, newPolicy().Validate(handmade(pubDeny(subject), pubDeny(">"), subDeny(subject), subDeny(">"))), true)
	}
}

const auth = "$SYS.REQ.USER.AUTH"

// Invariant 3: never where credentials pass, on either side.
//
// Attack: reading others' credentials, or posing as a server, on $SYS.REQ.USER.AUTH
// Held by: no grant reaches that subject on either side
func TestInvariant3AuthSubject(t *testing.T) {
	reaching := []string{
		auth, ">", "$SYS.>", "$SYS.REQ.>", "$SYS.REQ.USER.>", "$SYS.REQ.USER.*", "$SYS.REQ.*.AUTH", "$SYS.*.USER.AUTH",
		"*.REQ.USER.AUTH", "*.*.*.*", "*.>", "*.*.>", "*.*.*.>", "$SYS.*.*.AUTH", "*.REQ.*.>",
	}
	for _, s := range reaching {
		checkValid(t, newPolicy().Validate(handmade(pubAllow(s), subAllow("b"))), false)
		checkValid(t, newPolicy().Validate(handmade(pubAllow("b"), subAllow(s))), false)
		// Denied on the other side, or next to it, is not denied.
		checkValid(t, newPolicy().Validate(handmade(pubAllow(s), subAllow("b"), subDeny(auth))), false)
		checkValid(t, newPolicy().Validate(handmade(pubAllow(s), pubDeny("$SYS.REQ.USER"), pubDeny(auth+".*"), subAllow("b"))), false)
		// Denied where it is reached is enough; what reaches all below $JS is refused for that.
		below := strings.HasPrefix(s, "*") && strings.HasSuffix(s, ">")
		checkValid(t, newPolicy().Validate(handmade(pubAllow(s), pubDeny(auth), subAllow("b"))), !below)
		below = strings.HasPrefix(s, "*") && strings.ContainsAny(s[len(s)-1:], "*>")
		checkValid(t, newPolicy().Validate(handmade(pubAllow("b"), subAllow(s), subDeny("$SYS.REQ.USER.*"))), !below)
	}
	// A subscription may put ">" in the place of the "*" that ends a rule.
	for _, s := range []string{"*", "*.*", "*.*.*", "$SYS.*", "$SYS.REQ.*", "*.REQ.*"} {
		checkValid(t, newPolicy().Validate(handmade(pubAllow(s), subAllow("b"))), true)
		checkValid(t, newPolicy().Validate(handmade(pubAllow("b"), subAllow(s))), false)
		below := strings.HasPrefix(s, "*.") // and at the end too
		checkValid(t, newPolicy().Validate(handmade(pubAllow("b"), subAllow(s), subDeny(auth))), !below)
	}
	passing := []string{
		"$SYS", "$SYS.REQ.USER", "$SYS.REQ.USER.INFO", auth + ".x", "*.*.*.*.x", "REQ.>", "$JS.x", "$JS.*.x", "*.REQ.USER.INFO", "$SYS.REQ.USER.AUTH*",
	}
	for _, s := range passing {
		checkValid(t, newPolicy().Validate(handmade(pubAllow(s), subAllow(s))), true)
	}
}

// Invariant 3, on what Derive makes: only wildcards over everything reach the
// auth subject, and they come with its denial on both sides.
func TestInvariant3Derived(t *testing.T) {
	g, err := derive(t, newPolicy(), snapshotOf(t, world()), "root", identity.Selection{})
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

// Names that would be more than one token, or that NATS keeps for itself.
var badNames = []string{
	"", "*", ">", "a.b", "a.*", "a.>", ".", "a.", ".a", "_INBOX", "_", "_STAN", "$SYS", "$JS", "$", "a b", " a", "a ", "a\tb", "a\r\n",
	"a\x00", "ä", "a\u00a0b", "\u2028", "a/b", "a>b", "*a", "a\u200b", "ａ", strings.Repeat("a", 129),
}

// Invariant 4: every name from outside is one token, or the directory is refused.
//
// Attack: names of users, projects and topics that become wildcards in a subject
// Held by: every name that reaches a subject is one literal token, checked when the directory is loaded
func TestInvariant4Names(t *testing.T) {
	for _, name := range badNames {
		places := map[string]directory.Records{
			"user":    {Users: []directory.User{user(name)}},
			"project": {Projects: []directory.Project{{Name: name, Account: "APP"}}},
			"topic": {Projects: []directory.Project{{
				Name: "p", Account: "APP", Topics: []directory.Topic{{Name: name}},
			}}},
			"subscription": {Projects: []directory.Project{{
				Name: "p", Account: "APP", Topics: []directory.Topic{{Name: "t"}},
				Subscriptions: []directory.Subscription{{Name: name, Topic: "t"}},
			}}},
			"key": {Users: []directory.User{{
				Name: "u", Keys: []directory.Key{{ID: name, Digest: directory.DigestOf("k")}},
			}}},
		}
		if name == "" {
			delete(places, "key") // it gets one of its own
		}
		for place, records := range places {
			if _, err := snapshot.New(records); err == nil {
				t.Errorf("a %s may be called %q", place, name)
			}
		}
	}
}

// Invariant 4, at the last door: whatever a rule is made of, it is a subject
// to nats-server too. The server splits a subscribe rule at any white space
// into subject and queue group.
func TestInvariant4Rules(t *testing.T) {
	for _, s := range []string{
		"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\nb", "a\rb", "a\fb", "a\vb", "a\x00", ">.a", "a.>.b", " ", "\u00a0", "a\u00a0b",
		"a\u0085b", "a\u2028b", "a\u3000b", "a workers", "a\xff",
	} {
		checkValid(t, newPolicy().Validate(handmade(pubAllow(s), subAllow("b"))), false)
		checkValid(t, newPolicy().Validate(handmade(pubAllow("a"), subAllow(s))), false)
		checkValid(t, newPolicy().Validate(handmade(pubAllow("a"), subAllow("b"), subDeny(s))), false)
	}
}

// Topics with subjects of their own cannot reach into another project, or take
// what is taken.
//
// Attack: a topic whose own subject reaches into another project
// Held by: a topic's subject is refused where it overlaps what is somebody else's
func TestInvariant4OwnSubjects(t *testing.T) {
	tests := []struct {
		subject string
		ok      bool
	}{
		{"shop.market.news", true},
		{"shop.market.prices", false}, // taken
		{"market.news", false},        // outside of the project, and the account is another's too
		{"shop.extra", true},
		{"shop.orders", false},          // the topic that is there
		{"shop.orders.eu", true},        // below it is another subject
		{"lab.results", false},          // of another project
		{"lab.none", false},             // in another project's space
		{"lab", false},                  // its name
		{"lab.>", false},                // wildcards
		{"*.results", false},            //
		{">", false},                    //
		{"moon.dust", false},            // outside, too
		{"$SYS.REQ.USER.AUTH", false},   // NATS's own
		{"$JS.API.STREAM.NAMES", false}, //
		{"_INBOX_pia.x", false},         //
		{"_INBOX.x", false},             //
		{"a b", false},
		{"a..b", false},
		{"lab .results", false},
		{"lab\u00a0.results", false},
	}
	for _, tt := range tests {
		r := world()
		r.Projects[0].Topics = append(r.Projects[0].Topics, directory.Topic{Name: "own", Subject: tt.subject, ACL: []string{"pia"}})
		s, err := snapshot.New(r)
		if (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.subject, err)
		}
		if err != nil {
			continue
		}
		g, err := derive(t, newPolicy(), s, "pia", identity.Selection{})
		if err != nil || !g.Check(permissions.Publish, tt.subject).Allowed {
			t.Errorf("%q is not granted: %v", tt.subject, err)
		}
	}
}

// In an account of its own, a project's topics may have any subject that is
// nobody's yet.
func TestInvariant4OwnAccount(t *testing.T) {
	for subject, ok := range map[string]bool{
		"market.news": true, "shop.orders": true, "moon.dust.eu": true, "moon.dust": false, "market.prices": false, "market.>": false, "$JS.API.INFO": false,
	} {
		r := world()
		r.Projects[2].Topics = append(r.Projects[2].Topics, directory.Topic{Name: "own", Subject: subject})
		if _, err := snapshot.New(r); (err == nil) != ok {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

// Projects that are called like a verb of the JetStream API reach no other stream.
//
// Attack: a project named like a verb of the JetStream API reaches other streams
// Held by: grants below $JS name the stream in its place, and no such name reaches another
func TestInvariant4Verbs(t *testing.T) {
	verbs := []string{
		"NEXT", "GET", "CREATE", "MSG", "INFO", "LIST", "NAMES", "DELETE", "PURGE", "DURABLE", "PAUSE", "STREAM", "CONSUMER",
		"DIRECT", "API", "ACK", "FC", "LEADER", "STEPDOWN", "SNAPSHOT", "RESTORE", "UPDATE", "TEMPLATE", "UNPIN", "RESET", "META", "SERVER",
	}
	for _, verb := range verbs {
		r := directory.Records{
			Users: []directory.User{user("ann"), user("carl")},
			Projects: []directory.Project{
				{
					Name: verb, Account: "APP",
					Members:       []directory.Member{member("ann", directory.RoleProjectAdmin), member("carl", directory.RoleConsumer)},
					Topics:        []directory.Topic{{Name: "t"}},
					Subscriptions: []directory.Subscription{{Name: "NEXT", Topic: "t", ACL: []string{"carl"}}, {Name: "victim", Topic: "t", ACL: []string{"carl"}}},
				},
				{Name: "victim", Account: "APP"},
			},
		}
		s := snapshotOf(t, r)
		for _, name := range []string{"ann", "carl"} {
			g, err := derive(t, newPolicy(), s, name, identity.Selection{})
			if err != nil {
				t.Fatal(err)
			}
			for _, subject := range apiSubjects("victim", "D") {
				if v := g.Check(permissions.Publish, subject); v.Allowed {
					t.Errorf("%s of project %s may publish %s: %v", name, verb, subject, v.Rule)
				}
			}
		}
	}
}

// apiSubjects is every JetStream subject of one stream and consumer that
// nats-server 2.15 listens on.
func apiSubjects(stream, consumer string) []string {
	var out []string
	for _, s := range []string{
		"STREAM.CREATE.S", "STREAM.UPDATE.S", "STREAM.INFO.S", "STREAM.DELETE.S", "STREAM.PURGE.S", "STREAM.SNAPSHOT.S", "STREAM.RESTORE.S",
		"STREAM.MSG.DELETE.S", "STREAM.MSG.GET.S", "STREAM.PEER.REMOVE.S", "STREAM.LEADER.STEPDOWN.S",
		"DIRECT.GET.S", "DIRECT.GET.S.S.t", "CONSUMER.NAMES.S", "CONSUMER.LIST.S", "CONSUMER.CREATE.S", "CONSUMER.CREATE.S.C",
		"CONSUMER.CREATE.S.C.S.t", "CONSUMER.DURABLE.CREATE.S.C", "CONSUMER.INFO.S.C", "CONSUMER.DELETE.S.C", "CONSUMER.PAUSE.S.C",
		"CONSUMER.MSG.NEXT.S.C", "CONSUMER.UNPIN.S.C", "CONSUMER.RESET.S.C", "CONSUMER.LEADER.STEPDOWN.S.C",
	} {
		tokens := strings.Split(s, ".")
		for i, token := range tokens {
			switch token {
			case "S":
				tokens[i] = stream
			case "C":
				tokens[i] = consumer
			}
		}
		out = append(out, "$JS.API."+strings.Join(tokens, "."))
	}
	return append(out,
		"$JS.ACK."+stream+"."+consumer+".1.2.3.4.5", "$JS.ACK.hub.hash."+stream+"."+consumer+".1.2.3.4.5", "$JS.FC."+stream+"."+consumer+".x",
		"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES."+stream+"."+consumer, "$JS.SNAPSHOT.ACK."+stream+".x")
}

// Collapsing drops only what a wildcard grants anyway.
//
// Attack: a list of subjects that is shortened grants more than the list
// Held by: a wildcard replaces only what it grants anyway
func TestInvariant6CollapseNeverWidens(t *testing.T) {
	r := world()
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
				t.Errorf("%s is kept beside %s", b.Subject, a.Subject)
			}
		}
	}
}

func TestSubjectsOfASide(t *testing.T) {
	g := handmade(pubAllow("a"), pubAllow("b"), pubDeny("c"), subAllow("d"))
	if got := g.Subjects(permissions.Publish, permissions.Allow); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
	if got := g.Subjects(permissions.Subscribe, permissions.Deny); got != nil {
		t.Errorf("got %q", got)
	}
}
