package validation_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/directory"
	"usher/directory/validation"
)

// good returns a small directory without faults.
func good() directory.Records {
	return directory.Records{
		Users: []directory.User{
			{Name: "pia", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleIngest}, Keys: []directory.Key{
				{ID: "laptop", Digest: directory.DigestOf("pia-1")}, {Digest: directory.DigestOf("pia-2")},
			}},
			{Name: "carl", Keys: []directory.Key{{Digest: directory.DigestOf("carl")}}},
		},
		Projects: []directory.Project{
			{
				Name: "shop", Account: "APP",
				Members: []directory.Member{
					{User: "pia", Roles: []directory.Role{directory.RolePublisher}},
					{User: "carl", Roles: []directory.Role{directory.RoleConsumer, directory.RolePublisher}},
				},
				Topics:        []directory.Topic{{Name: "returns"}, {Name: "orders", ACL: []string{"pia", "carl"}}},
				Subscriptions: []directory.Subscription{{Name: "billing", Topic: "orders", ACL: []string{"carl"}}, {Name: "audit", Topic: "orders"}},
			},
			{
				Name: "lab", Account: "LAB",
				Members: []directory.Member{{User: "pia", Roles: []directory.Role{directory.RoleProjectAdmin}}},
				Topics:  []directory.Topic{{Name: "raw", Subject: "probe.raw"}},
			},
			{Name: "moon", Account: "OTHER"},
		},
	}
}

// check returns the problems of records that are a whole directory.
func check(r directory.Records) directory.Problems {
	r.AssignIDs()
	_, problems := validation.Check(&r, nil)
	return problems
}

// share puts project lab into the account of project shop, and gives its topic a subject.
func share(r *directory.Records, subject string) {
	r.Projects[1].Account, r.Projects[1].Topics[0].Subject = r.Projects[0].Account, subject
}

func TestProblems(t *testing.T) {
	const long = 129
	tests := []struct {
		name  string
		spoil func(*directory.Records)
		want  string // path: message, one per line
	}{
		{"nothing wrong", func(*directory.Records) {}, ""},
		{"an empty directory", func(r *directory.Records) { *r = directory.Records{} }, ""},

		{"a user without a name", func(r *directory.Records) { r.Users[1].Name = ""; r.Projects = nil }, `users[1].name: user name is empty`},
		{"a user called *", func(r *directory.Records) { r.Users[1].Name = "*"; r.Projects = nil }, `users[1].name: user name "*" holds '*'; only letters, digits, '-' and '_' are allowed`},
		{"a user called >", func(r *directory.Records) { r.Users[1].Name = ">"; r.Projects = nil }, `users[1].name: user name ">" holds '>'; only letters, digits, '-' and '_' are allowed`},
		{"a user with a dot", func(r *directory.Records) { r.Users[1].Name = "a.b"; r.Projects = nil }, `users[1].name: user name "a.b" holds '.'; only letters, digits, '-' and '_' are allowed`},
		{"a user in NATS's name space", func(r *directory.Records) { r.Users[1].Name = "_INBOX"; r.Projects = nil }, `users[1].name: user name "_INBOX" begins with '_', which is reserved for NATS itself`},
		{"a user with a long name", func(r *directory.Records) { r.Users[1].Name = strings.Repeat("a", long); r.Projects = nil }, `users[1].name: user name is 129 characters long, at most 128 are allowed`},
		{"a user twice", func(r *directory.Records) { r.Users[1].Name = "pia"; r.Projects = nil }, `users[1].name: user "pia" is already defined at index 0`},
		{"a service role that is none", func(r *directory.Records) { r.Users[1].ServiceRoles = []directory.ServiceRole{"project_admin"} }, `users[1].service_roles[0]: there is no service role "project_admin"`},
		{"a service role twice", func(r *directory.Records) {
			r.Users[0].ServiceRoles = []directory.ServiceRole{"ingest", "service_admin", "ingest"}
		}, `users[0].service_roles[2]: service role "ingest" appears twice`},
		{"a connection type that is none", func(r *directory.Records) {
			r.Users[0].Limits.ConnectionTypes = []directory.ConnectionType{"MQTT", "mqtt"}
		}, `users[0].limits.connection_types[1]: there is no connection type "mqtt"`},
		{"a connection type twice", func(r *directory.Records) {
			r.Users[0].Limits.ConnectionTypes = []directory.ConnectionType{"MQTT", "MQTT"}
		}, `users[0].limits.connection_types[1]: connection type "MQTT" appears twice`},

		{"a key id that is no token", func(r *directory.Records) { r.Users[0].Keys[0].ID = "my key" }, `users[0].keys[0].id: key name "my key" holds ' '; only letters, digits, '-' and '_' are allowed`},
		{"a key id twice", func(r *directory.Records) { r.Users[0].Keys[1].ID = "laptop" }, `users[0].keys[1].id: key "laptop" is already defined at users[0].keys[0]`},
		{"a digest twice in one user", func(r *directory.Records) { r.Users[0].Keys[1].Digest = r.Users[0].Keys[0].Digest }, `users[0].keys[1].digest: this digest is already at users[0].keys[0]`},
		{"a digest of two users", func(r *directory.Records) { r.Users[1].Keys[0].Digest = r.Users[0].Keys[1].Digest }, `users[1].keys[0].digest: this digest is already at users[0].keys[1]`},
		{"no digest", func(r *directory.Records) { r.Users[1].Keys[0].Digest = directory.Digest{} }, `users[1].keys[0].digest: is missing`},
		{"the digest of the empty key", func(r *directory.Records) { r.Users[1].Keys[0].Digest = directory.DigestOf("") }, `users[1].keys[0].digest: is the digest of the empty key`},
		{"a key that is never valid", func(r *directory.Records) {
			k := &r.Users[0].Keys[0]
			k.NotBefore = time.Unix(100, 0)
			k.Expires = k.NotBefore
		}, `users[0].keys[0].not_before: is not before expires, so the key would never be valid`},

		{"a project without a name", func(r *directory.Records) { r.Projects[2].Name = "" }, `projects[2].name: project name is empty`},
		{"a project in NATS's name space", func(r *directory.Records) { r.Projects[2].Name = "$SYS" }, `projects[2].name: project name "$SYS" holds '$'; only letters, digits, '-' and '_' are allowed`},
		{"a project twice", func(r *directory.Records) { r.Projects[2].Name = "shop" }, `projects[2].name: project "shop" is already defined at index 0`},
		{"a project without an account", func(r *directory.Records) { r.Projects[2].Account = "" }, `projects[2].account: account is empty`},
		{"an account with a space", func(r *directory.Records) { r.Projects[2].Account = "A B" }, `projects[2].account: account "A B" holds ' ', which an account name must not`},
		{"a long account", func(r *directory.Records) { r.Projects[2].Account = strings.Repeat("A", long) }, `projects[2].account: account is 129 characters long, at most 128 are allowed`},

		{"a member that is no user", func(r *directory.Records) { r.Projects[1].Members[0].User = "nobody" }, `projects[1].members[0].user: there is no user "nobody"`},
		{"a member twice", func(r *directory.Records) {
			r.Projects[0].Members[1].User = "pia"
			r.Projects[0].Topics[1].ACL = nil
			r.Projects[0].Subscriptions[0].ACL = nil
		}, `projects[0].members[1].user: user "pia" is already a member, at index 0`},
		{"a member without a role", func(r *directory.Records) { r.Projects[1].Members[0].Roles = nil }, `projects[1].members[0].roles: a member needs a role`},
		{"a service role in a project", func(r *directory.Records) { r.Projects[1].Members[0].Roles = []directory.Role{"service_admin"} }, `projects[1].members[0].roles[0]: there is no role "service_admin"`},
		{"a role twice", func(r *directory.Records) {
			r.Projects[1].Members[0].Roles = []directory.Role{"publisher", "publisher"}
		}, `projects[1].members[0].roles[1]: role "publisher" appears twice`},

		{"a topic with a dot", func(r *directory.Records) { r.Projects[0].Topics[0].Name = "a.b" }, `projects[0].topics[0].name: topic name "a.b" holds '.'; only letters, digits, '-' and '_' are allowed`},
		{"a topic twice", func(r *directory.Records) {
			r.Projects[0].Topics[0].Name, r.Projects[0].Topics[0].Subject = "orders", "x.y"
		}, `projects[0].topics[1].name: topic "orders" is already defined at index 0`},
		{"an ACL with a stranger", func(r *directory.Records) { r.Projects[0].Topics[0].ACL = []string{"pia", "*"} }, `projects[0].topics[0].acl[1]: user "*" is not a member of project "shop"`},
		{"an ACL with a user twice", func(r *directory.Records) { r.Projects[0].Topics[0].ACL = []string{"pia", "carl", "pia"} }, `projects[0].topics[0].acl[2]: user "pia" is named twice`},
		{"a subject of the ingest profile", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "habitat.event.x" }, `projects[1].topics[0].subject: subject "habitat.event.x" begins with habitat, which is reserved: every ingest client publishes under habitat.event`},
		{"a subject of the health check", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "healthcheck" }, `projects[1].topics[0].subject: subject "healthcheck" begins with healthcheck, which is reserved: usher's health check uses healthcheck.>`},
		{"a subject that is a wildcard", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "probe.>" }, `projects[1].topics[0].subject: subject "probe.>" is a wildcard; a topic stands for one subject`},
		{"a subject with an empty token", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "probe..x" }, `projects[1].topics[0].subject: subject "probe..x" has an empty token`},
		{"a subject with a star in a token", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "probe.a*" }, `projects[1].topics[0].subject: subject "probe.a*" holds '*', which a subject of a topic must not`},
		{"a subject of NATS", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "$SYS.REQ.USER.AUTH" }, `projects[1].topics[0].subject: subject "$SYS.REQ.USER.AUTH" begins with '$', which is reserved for NATS itself`},
		{"a subject of an inbox", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "_INBOX_pia.x" }, `projects[1].topics[0].subject: subject "_INBOX_pia.x" begins with '_', which is reserved for NATS itself`},
		{"a long subject", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = strings.Repeat("a", 257) }, `projects[1].topics[0].subject: subject is 257 characters long, at most 256 are allowed`},
		{"a subject in another project", func(r *directory.Records) { share(r, "shop.x") }, `projects[1].topics[0].subject: subject "shop.x" lies in project "shop" of the same account`},
		{"the name of another project as a subject", func(r *directory.Records) { share(r, "shop") }, `projects[1].topics[0].subject: subject "shop" lies in project "shop" of the same account`},
		{"a subject outside of the project", func(r *directory.Records) { share(r, "probe.raw") }, `projects[1].topics[0].subject: subject "probe.raw" lies outside of project "lab", and other projects are in account "APP" too`},
		{"a subject that begins with the letters of the project", func(r *directory.Records) { share(r, "laboratory.raw") }, `projects[1].topics[0].subject: subject "laboratory.raw" lies outside of project "lab", and other projects are in account "APP" too`},
		{"the name of the project as a subject", func(r *directory.Records) { share(r, "lab") }, `projects[1].topics[0].subject: subject "lab" lies outside of project "lab", and other projects are in account "APP" too`},
		{"a subject of its own inside the project", func(r *directory.Records) { share(r, "lab.raw.eu") }, ""},
		{"a subject outside of the project, whose account is its own", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "shop.x" }, ""},
		{"a subject in a project of another account", func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "moon.x" }, ""},
		{"a subject that is taken by name", func(r *directory.Records) { share(r, "shop.orders") }, `projects[1].topics[0].subject: subject "shop.orders" lies in project "shop" of the same account
projects[1].topics[0].subject: subject "shop.orders" is already that of projects[0].topics[1] in project "shop"`},
		{"a subject twice in a project", func(r *directory.Records) { r.Projects[0].Topics[0].Subject = "shop.orders" }, `projects[0].topics[1]: subject "shop.orders" is already that of projects[0].topics[0].subject in project "shop"`},
		{"a subject twice in two accounts", func(r *directory.Records) {
			r.Projects[2].Topics = []directory.Topic{{Name: "t", Subject: "probe.raw"}}
		}, ""},

		{"a subscription with a space", func(r *directory.Records) { r.Projects[0].Subscriptions[1].Name = "a b" }, `projects[0].subscriptions[1].name: subscription name "a b" holds ' '; only letters, digits, '-' and '_' are allowed`},
		{"a subscription twice", func(r *directory.Records) { r.Projects[0].Subscriptions[1].Name = "billing" }, `projects[0].subscriptions[1].name: subscription "billing" is already defined at index 0`},
		{"a subscription with a hash of its own", func(r *directory.Records) {
			r.Projects[0].Subscriptions[1].Push = &directory.Push{Type: directory.PushHTTP, VerificationHash: "a b"}
		}, `projects[0].subscriptions[1].push: verification_hash: expected up to 128 printable characters of ASCII without spaces`},
		{"a subscription verified without a hash", func(r *directory.Records) {
			r.Projects[0].Subscriptions[1].Push = &directory.Push{Type: directory.PushHTTP, Verified: true}
		}, `projects[0].subscriptions[1].push: verified: an endpoint without verification_hash cannot be verified`},
		{"a subscription to nothing", func(r *directory.Records) { r.Projects[0].Subscriptions[1].Topic = "raw" }, `projects[0].subscriptions[1].topic: project "shop" has no topic "raw"`},
		{"an ACL of a subscription with a stranger", func(r *directory.Records) { r.Projects[0].Subscriptions[1].ACL = []string{"nobody"} }, `projects[0].subscriptions[1].acl[0]: user "nobody" is not a member of project "shop"`},

		{"everything at once, in order", func(r *directory.Records) {
			r.Users[0].Keys[0].ID, r.Projects[0].Account, r.Projects[1].Members[0].Roles = "a.b", "", nil
		}, `users[0].keys[0].id: key name "a.b" holds '.'; only letters, digits, '-' and '_' are allowed
projects[0].account: account is empty
projects[1].members[0].roles: a member needs a role`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := good()
			tt.spoil(&r)
			if got := check(r).Error(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// Messages about long names are short.
func TestProblemsAreShort(t *testing.T) {
	r := good()
	long := strings.Repeat("é", 5000)
	r.Users[0].Name, r.Projects[2].Name, r.Projects[2].Account = long, long, long
	r.Projects[0].Topics[0].Subject, r.Projects[0].Topics[1].ACL = long, []string{long}
	r.Projects[0].Subscriptions[0].Topic, r.Projects[1].Members[0] = long, directory.Member{User: long, Roles: []directory.Role{directory.Role(long)}}
	problems := check(r)
	for _, p := range problems {
		if len(p.Error()) > 300 {
			t.Errorf("%d characters: %.80s…", len(p.Error()), p.Error())
		}
	}
}

// Faults have hints.
func TestHints(t *testing.T) {
	r := good()
	r.Users[1].ServiceRoles = []directory.ServiceRole{"admin"}
	r.Projects[2].Account = ""
	problems := check(r)
	if len(problems) != 2 {
		t.Fatal(problems)
	}
	if problems[0].Hint != "one of service_admin, ingest, push_worker, admin_viewer" || problems[1].Hint == "" {
		t.Errorf("hints %q and %q", problems[0].Hint, problems[1].Hint)
	}
}

// Names whose subjects a profile uses are reserved.
//
// Attack: a project or user whose name is part of a profile's subjects
// Held by: names whose subjects a profile uses are refused
func TestReservedNames(t *testing.T) {
	problems := check(directory.Records{
		Users:    []directory.User{{Name: "usher-healthcheck"}},
		Projects: []directory.Project{{Name: "habitat", Account: "APP"}, {Name: "healthcheck", Account: "APP"}},
	})
	if len(problems) != 3 {
		t.Fatalf("got %v", problems)
	}
	for i, path := range []string{"users[0].name", "projects[0].name", "projects[1].name"} {
		if problems[i].Path != path || !strings.Contains(problems[i].Message, "reserved") {
			t.Errorf("problem %d: %v", i, problems[i])
		}
	}
}

// A secret in place of a name is refused and never quoted.
//
// Attack: a secret in place of a name is shown in errors
// Held by: what looks like a secret is refused as a name, and never quoted
func TestSecretsAsNames(t *testing.T) {
	for _, text := range []string{ // made up, in the shape of the real ones
		"usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI",
		"HEALTHCHECK-0123456789abcdefghijklmnopqrstuvwxyz",
		"SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX",
	} {
		for path, spoil := range map[string]func(*directory.Records){
			"users[1].name":                     func(r *directory.Records) { r.Users[1].Name = text; r.Projects = nil },
			"users[0].keys[0].id":               func(r *directory.Records) { r.Users[0].Keys[0].ID = text },
			"projects[2].name":                  func(r *directory.Records) { r.Projects[2].Name = text },
			"projects[2].account":               func(r *directory.Records) { r.Projects[2].Account = text },
			"projects[1].members[0].user":       func(r *directory.Records) { r.Projects[1].Members[0].User = text },
			"projects[0].topics[0].name":        func(r *directory.Records) { r.Projects[0].Topics[0].Name = text },
			"projects[0].topics[0].acl[0]":      func(r *directory.Records) { r.Projects[0].Topics[0].ACL = []string{text} },
			"projects[1].topics[0].subject":     func(r *directory.Records) { r.Projects[1].Topics[0].Subject = "probe." + text },
			"projects[0].subscriptions[0].name": func(r *directory.Records) { r.Projects[0].Subscriptions[0].Name = text },
			"projects[0].subscriptions[1].topic": func(r *directory.Records) {
				r.Projects[0].Subscriptions[1].Topic = text
			},
		} {
			r := good()
			spoil(&r)
			problems := check(r)
			if len(problems) != 1 {
				t.Fatalf("%s: %v", path, problems)
			}
			p := problems[0]
			if p.Path != path || !strings.HasSuffix(p.Message, "looks like a secret, found where a name belongs") ||
				p.Hint != "replace that secret, since it stood in a file" {
				t.Errorf("%s: %+v", path, p)
			}
		}
		// The same one twice, and where one of a few words belongs.
		r := good()
		r.Users[0].Name, r.Users[1].Name, r.Projects[0].Members[0].User, r.Projects[0].Members[1].User = text, text, text, text
		r.Users[0].ServiceRoles[0], r.Projects[0].Members[0].Roles[0] = directory.ServiceRole(text), directory.Role(text)
		r.Projects[1].Name, r.Projects[1].Topics[0].Subject = "_"+text, text+".*"
		r.Projects[0].Topics[1].ACL = []string{text, text, "/x/" + text}
		problems := check(r)
		if len(problems) == 0 || strings.Contains(problems.Error(), text[12:]) {
			t.Errorf("a secret is shown: %v", problems)
		}
	}
}

// A name may begin like an API key. It is not quoted then.
func TestNamesLikeSecrets(t *testing.T) {
	r := good()
	r.Projects[1].Topics[0].Name = "usher_events"
	if problems := check(r); len(problems) > 0 {
		t.Error(problems)
	}
	r = good()
	r.Projects[1].Members[0].User = "usher_event"
	problems := check(r)
	if want := "projects[1].members[0].user: there is no user [looks like a secret]"; problems.Error() != want {
		t.Errorf("got %v", problems)
	}
}

// A reference to an unknown name gets a suggestion.
func TestSuggestions(t *testing.T) {
	r := good()
	r.Projects[0].Members[1].User = "cral"
	r.Projects[0].Topics[1].ACL = []string{"pai"}
	r.Projects[0].Subscriptions[0] = directory.Subscription{Name: "billing", Topic: "ordrs", ACL: []string{"stranger"}}
	problems := check(r)
	want := directory.Problems{
		{Path: "projects[0].members[1].user", Message: `there is no user "cral"`, Hint: `did you mean "carl"?`},
		{Path: "projects[0].topics[1].acl[0]", Message: `user "pai" is not a member of project "shop"`, Hint: `did you mean "pia"?`},
		{
			Path: "projects[0].subscriptions[0].acl[0]", Message: `user "stranger" is not a member of project "shop"`,
			Hint: "add the user to the members, or remove the name from the acl",
		},
		{Path: "projects[0].subscriptions[0].topic", Message: `project "shop" has no topic "ordrs"`, Hint: `did you mean "orders"?`},
	}
	if !reflect.DeepEqual(problems, want) {
		t.Errorf("got  %+v\nwant %+v", problems, want)
	}
}
