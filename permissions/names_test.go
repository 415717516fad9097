package permissions_test

import (
	"strings"
	"testing"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
)

// Names that are more than one token, or reserved by NATS.
var badNames = []string{
	"", "*", ">", "a.b", "a.*", "a.>", ".", "a.", ".a", "_INBOX", "_", "_STAN", "$SYS", "$JS", "$", "a b", " a", "a ", "a\tb", "a\r\n",
	"a\x00", "ä", "a\u00a0b", "\u2028", "a/b", "a>b", "*a", "a\u200b", "ａ", strings.Repeat("a", 129),
}

// Invariant 4: a directory with a name that is not a single token is refused.
//
// Attack: the name of a user, project or topic becomes a wildcard in a subject
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
			delete(places, "key") // an empty id is replaced by a generated one
		}
		for place, records := range places {
			if _, err := snapshot.New(records); err == nil {
				t.Errorf("the name %[2]q is valid for a %[1]s", place, name)
			}
		}
	}
}

// Invariant 4 in Validate: every rule is a valid subject for nats-server, too. The server
// splits a subscribe rule at white space into subject and queue group.
func TestInvariant4Rules(t *testing.T) {
	for _, s := range []string{
		"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\nb", "a\rb", "a\fb", "a\vb", "a\x00", ">.a", "a.>.b", " ", "\u00a0", "a\u00a0b",
		"a\u0085b", "a\u2028b", "a\u3000b", "a workers", "a\xff",
	} {
		checkValid(t, newPolicy().Validate(validGrant(pubAllow(s), subAllow("b"))), false)
		checkValid(t, newPolicy().Validate(validGrant(pubAllow("a"), subAllow(s))), false)
		checkValid(t, newPolicy().Validate(validGrant(pubAllow("a"), subAllow("b"), subDeny(s))), false)
	}
}

// The own subject of a topic must not overlap another project or another topic.
//
// Attack: a topic has a subject of another project
// Held by: the subject of a topic is refused if it overlaps that of another topic or project
func TestInvariant4OwnSubjects(t *testing.T) {
	tests := []struct {
		subject string
		ok      bool
	}{
		{"shop.market.news", true},
		{"shop.market.prices", false}, // taken
		{"market.news", false},        // outside the project, in a shared account
		{"shop.extra", true},
		{"shop.orders", false},          // an existing topic
		{"shop.orders.eu", true},        // a different subject below it
		{"lab.results", false},          // of another project
		{"lab.none", false},             // inside another project
		{"lab", false},                  // its name
		{"lab.>", false},                // wildcards
		{"*.results", false},            //
		{">", false},                    //
		{"moon.dust", false},            // outside the project
		{"$SYS.REQ.USER.AUTH", false},   // reserved by NATS
		{"$JS.API.STREAM.NAMES", false}, //
		{"_INBOX_pia.x", false},         //
		{"_INBOX.x", false},             //
		{"a b", false},
		{"a..b", false},
		{"lab .results", false},
		{"lab\u00a0.results", false},
	}
	for _, tt := range tests {
		r := testDirectory()
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

// In a project that is alone in its account, topics may have any unused subject.
func TestInvariant4OwnAccount(t *testing.T) {
	for subject, ok := range map[string]bool{
		"market.news": true, "shop.orders": true, "moon.dust.eu": true, "moon.dust": false, "market.prices": false, "market.>": false, "$JS.API.INFO": false,
	} {
		r := testDirectory()
		r.Projects[2].Topics = append(r.Projects[2].Topics, directory.Topic{Name: "own", Subject: subject})
		if _, err := snapshot.New(r); (err == nil) != ok {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

// A project with the name of a JetStream API token reaches no other stream.
//
// Attack: a project has the name of a token of the JetStream API, such as NEXT, and reaches other streams
// Held by: grants below $JS have the name of the stream in its exact place
func TestInvariant4APINames(t *testing.T) {
	names := []string{
		"NEXT", "GET", "CREATE", "MSG", "INFO", "LIST", "NAMES", "DELETE", "PURGE", "DURABLE", "PAUSE", "STREAM", "CONSUMER",
		"DIRECT", "API", "ACK", "FC", "LEADER", "STEPDOWN", "SNAPSHOT", "RESTORE", "UPDATE", "TEMPLATE", "UNPIN", "RESET", "META", "SERVER",
	}
	for _, apiName := range names {
		r := directory.Records{
			Users: []directory.User{user("ann"), user("carl")},
			Projects: []directory.Project{
				{
					Name: apiName, Account: "APP",
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
					t.Errorf("%s of project %s may publish %s: %v", name, apiName, subject, v.Rule)
				}
			}
		}
	}
}

// apiSubjects returns every JetStream subject of one stream and consumer in nats-server
// 2.15.
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
