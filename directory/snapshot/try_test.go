package snapshot_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// The users, projects and keys of the directory in the tests of Try.
var (
	pia, carl, none    = uuid.UUID{1}, uuid.UUID{2}, uuid.UUID{3}
	shop, lab, moon    = uuid.UUID{4}, uuid.UUID{5}, uuid.UUID{6}
	nowhere            = uuid.UUID{7}
	topicKind, subKind = directory.KindTopic, directory.KindSubscription
	topicACL, subACL   = directory.KindTopicACL, directory.KindSubscriptionACL
)

// settled is good() with stated ids.
func settled(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	r := good()
	r.Users[0].ID, r.Users[1].ID = pia, carl
	r.Projects[0].ID, r.Projects[1].ID, r.Projects[2].ID = shop, lab, moon
	return newSnapshot(t, r)
}

func set(k directory.EntryKey, v directory.Value) directory.Entry {
	return directory.Entry{Key: k, Value: v}
}

func unset(k directory.EntryKey) directory.Entry { return directory.Entry{Key: k} }

func of(kind directory.Kind, project uuid.UUID, name string) directory.EntryKey {
	return directory.ResourceKey(kind, project, name)
}

func open(users ...uuid.UUID) *directory.ACL { return &directory.ACL{Users: users} }

func TestTry(t *testing.T) {
	type change = []directory.Entry
	type user = directory.User
	type key = directory.Key
	type project = directory.Project
	type topic = directory.Topic
	type sub = directory.Subscription
	userKey, keyKey, projectKey, memberKey := directory.UserKey, directory.KeyKey, directory.ProjectKey, directory.MemberKey
	publisher := &directory.Member{Roles: []directory.Role{directory.RolePublisher}}
	const secret = "usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI" // made up
	tests := []struct {
		name   string
		change change
		want   string // in the problems; empty: the change is good
	}{
		{"nothing", nil, ""},
		{"a user", change{set(userKey(none), &user{Name: "none"})}, ""},
		{"a user's other name", change{set(userKey(pia), &user{Name: "pia2"})}, ""},
		{"a user of a name that is taken", change{set(userKey(none), &user{Name: "pia"})}, `user "pia" already exists`},
		{"a user takes another's name", change{set(userKey(carl), &user{Name: "pia"})}, `user "pia" already exists`},
		{"a user called *", change{set(userKey(none), &user{Name: "*"})}, `user name "*" holds '*'`},
		{"a user without a name", change{set(userKey(none), &user{})}, `user name is empty`},
		{"a user in NATS's name space", change{set(userKey(none), &user{Name: "_INBOX"})}, `begins with '_'`},
		{"a user called like the health check", change{set(userKey(none), &user{Name: "usher-healthcheck"})}, `is reserved`},
		{"a user called like a secret", change{set(userKey(none), &user{Name: secret})}, `looks like a secret`},
		{"a user with a service role that is none", change{set(userKey(none), &user{Name: "none", ServiceRoles: []directory.ServiceRole{"publisher"}})}, `there is no service role "publisher"`},
		{"a user with a service role twice", change{set(userKey(none), &user{Name: "none", ServiceRoles: []directory.ServiceRole{"ingest", "ingest"}})}, `appears twice`},
		{"a user with a connection type that is none", change{set(userKey(none), &user{Name: "none", Limits: directory.Limits{ConnectionTypes: []directory.ConnectionType{"x"}}})}, `there is no connection type "x"`},
		{"a user with no id", change{set(userKey(uuid.Nil), &user{Name: "none"})}, `not the key of an entry`},
		{"a value of another kind", change{set(userKey(none), publisher)}, `found a *directory.Member`},
		{"a value that cannot be read", change{set(userKey(pia), &directory.Unreadable{})}, `found a *directory.Unreadable`},
		{"an entry of no kind", change{set(directory.EntryKey{Kind: "what", User: pia, Name: "x"}, publisher)}, `not the key of an entry`},

		{"a key", change{set(keyKey(carl, "new"), &key{Digest: digest(1)})}, ""},
		{"a key of nobody", change{set(keyKey(none, "new"), &key{Digest: digest(1)})}, `there is no such user`},
		{"a key of another user", change{set(keyKey(carl, "new"), &key{Digest: directory.DigestOf("pia-1")})}, `this key already belongs to another user`},
		{"a key twice", change{set(keyKey(pia, "new"), &key{Digest: directory.DigestOf("pia-1")})}, `under another id`},
		{"a key without a digest", change{set(keyKey(carl, "new"), &key{})}, `digest: is missing`},
		{"the empty key", change{set(keyKey(carl, "new"), &key{Digest: directory.DigestOf("")})}, `digest: is the digest of the empty key`},
		{"a key that is never valid", change{set(keyKey(carl, "new"), &key{Digest: digest(1), NotBefore: time.Unix(2, 0), Expires: time.Unix(1, 0)})}, `would never be valid`},
		{"a key whose name is no token", change{set(keyKey(carl, "a.b"), &key{Digest: digest(1)})}, `key name "a.b" holds '.'`},
		{"a key without a name", change{set(keyKey(carl, ""), &key{Digest: digest(1)})}, `key name is empty`},
		{"a key called like a secret", change{set(keyKey(carl, secret), &key{Digest: digest(1)})}, `looks like a secret`},
		{"a key moves", change{unset(keyKey(pia, "laptop")), set(keyKey(carl, "laptop"), &key{Digest: directory.DigestOf("pia-1")})}, ""},
		{"a key moves, in the other order", change{set(keyKey(carl, "laptop"), &key{Digest: directory.DigestOf("pia-1")}), unset(keyKey(pia, "laptop"))}, ""},

		{"a project", change{set(projectKey(nowhere), &project{Name: "new", Account: "APP"})}, ""},
		{"a project of a name that is taken", change{set(projectKey(nowhere), &project{Name: "shop", Account: "NEW"})}, `project "shop" already exists`},
		{"a project called >", change{set(projectKey(nowhere), &project{Name: ">", Account: "APP"})}, `project name ">" holds '>'`},
		{"a project whose subjects are a profile's", change{set(projectKey(nowhere), &project{Name: "habitat", Account: "APP"})}, `is reserved`},
		{"a project without an account", change{set(projectKey(nowhere), &project{Name: "new"})}, `account is empty`},
		{"an account with a space", change{set(projectKey(nowhere), &project{Name: "new", Account: "A B"})}, `account "A B" holds ' '`},
		{"a project joins one whose subjects are all over the account", change{set(projectKey(nowhere), &project{Name: "new", Account: "LAB"})}, `account "LAB" belongs to another project, some of whose topics have subjects outside of it`},
		{"a project moves to one whose subjects are all over the account", change{set(projectKey(moon), &project{Name: "moon", Account: "LAB"})}, `some of whose topics have subjects outside of it`},
		{"a project whose subjects are all over moves to another", change{set(projectKey(lab), &project{Name: "lab", Account: "APP"})}, `subject "probe.raw" lies outside of project "lab"`},
		{"a project leaves its subjects behind with its name", change{
			set(of(topicKind, shop, "own"), &topic{Subject: "shop.own.x"}),
			set(projectKey(nowhere), &project{Name: "new", Account: "APP"}), set(projectKey(shop), &project{Name: "boutique", Account: "APP"}),
		}, `subject "shop.own.x" lies outside of project "boutique"`},
		{"two projects exchange accounts", change{set(projectKey(lab), &project{Name: "lab", Account: "OTHER"}), set(projectKey(moon), &project{Name: "moon", Account: "LAB"})}, ""},

		{"a member", change{set(memberKey(lab, carl), publisher)}, ""},
		{"a member that is no user", change{set(memberKey(lab, none), publisher)}, `there is no such user`},
		{"a member of no project", change{set(memberKey(nowhere, carl), publisher)}, `there is no such project`},
		{"a member without a role", change{set(memberKey(lab, carl), &directory.Member{})}, `a member needs a role`},
		{"a member with a role that is none", change{set(memberKey(lab, carl), &directory.Member{Roles: []directory.Role{"service_admin"}})}, `there is no role "service_admin"`},
		{"a member with a role twice", change{set(memberKey(lab, carl), &directory.Member{Roles: []directory.Role{"consumer", "consumer"}})}, `appears twice`},
		{"a member goes and stays in an ACL", change{unset(memberKey(shop, carl))}, `has to be removed with it`},
		{"a member goes and stays in one ACL", change{unset(memberKey(shop, carl)), set(of(topicACL, shop, "orders"), open(pia))}, `has to be removed with it`},
		{"a member goes", change{unset(memberKey(lab, pia))}, ""},
		{"a user goes and stays a member", change{unset(userKey(carl))}, `has to be removed with it`},
		{"a user goes and leaves a key", change{unset(userKey(carl)), unset(memberKey(shop, carl)), set(of(topicACL, shop, "orders"), open(pia)), set(of(subACL, shop, "billing"), open())}, `has to be removed with it`},

		{"a topic", change{set(of(topicKind, shop, "new"), &topic{})}, ""},
		{"a topic of no project", change{set(of(topicKind, nowhere, "new"), &topic{})}, `there is no such project`},
		{"a topic with a dot", change{set(of(topicKind, shop, "a.b"), &topic{})}, `topic name "a.b" holds '.'`},
		{"a topic whose subject is a profile's", change{set(of(topicKind, shop, "new"), &topic{Subject: "habitat.event.x"})}, `is reserved`},
		{"a topic whose subject is a wildcard", change{set(of(topicKind, shop, "new"), &topic{Subject: "shop.>"})}, `is a wildcard`},
		{"a topic whose subject is NATS's", change{set(of(topicKind, moon, "new"), &topic{Subject: "$SYS.REQ.USER.AUTH"})}, `reserved for NATS itself`},
		{"a topic whose subject is a secret", change{set(of(topicKind, moon, "new"), &topic{Subject: "moon." + secret})}, `looks like a secret`},
		{"a subject of its own", change{set(of(topicKind, shop, "new"), &topic{Subject: "shop.a.b"})}, ""},
		{"a subject outside of the project, alone in the account", change{set(of(topicKind, moon, "new"), &topic{Subject: "a.b"})}, ""},
		{"a subject outside of the project", change{set(projectKey(nowhere), &project{Name: "new", Account: "APP"}), set(of(topicKind, shop, "new"), &topic{Subject: "a.b"})}, `subject "a.b" lies outside of project "shop", and other projects are in account "APP" too`},
		{"a subject in another project", change{set(projectKey(nowhere), &project{Name: "new", Account: "APP"}), set(of(topicKind, nowhere, "t"), &topic{Subject: "shop.orders"})}, `subject "shop.orders" lies in project "shop" of the same account`},
		{"another topic's subject", change{set(of(topicKind, shop, "new"), &topic{Subject: "shop.orders"})}, `subject "shop.orders" is already that of`},
		{"a topic goes that is read", change{unset(of(topicKind, shop, "orders")), unset(of(topicACL, shop, "orders"))}, `project "shop" has no topic "orders"`},
		{"a topic goes without its ACL", change{
			unset(of(topicKind, shop, "orders")), unset(of(subKind, shop, "audit")), unset(of(subKind, shop, "billing")), unset(of(subACL, shop, "billing")),
		}, `has to be removed with it`},
		{"a topic goes", change{unset(of(topicKind, shop, "returns"))}, ""},

		{"a subscription", change{set(of(subKind, shop, "new"), &sub{Topic: "orders"})}, ""},
		{"a subscription of no topic", change{set(of(subKind, shop, "new"), &sub{Topic: "raw"})}, `project "shop" has no topic "raw"`},
		{"a subscription of no project", change{set(of(subKind, nowhere, "new"), &sub{Topic: "raw"})}, `there is no such project`},
		{"a subscription of nothing", change{set(of(subKind, shop, "new"), &sub{})}, `topic name is empty`},
		{"a subscription goes without its ACL", change{unset(of(subKind, shop, "billing"))}, `has to be removed with it`},

		{"an ACL", change{set(of(topicACL, shop, "returns"), open(carl, pia))}, ""},
		{"an ACL of no topic", change{set(of(topicACL, shop, "new"), open(carl))}, `there is no such topic`},
		{"an ACL of no subscription", change{set(of(subACL, shop, "orders"), open(carl))}, `there is no such subscription`},
		{"an ACL of no project", change{set(of(topicACL, nowhere, "orders"), open(carl))}, `there is no such project`},
		{"an ACL with nobody's id", change{set(of(topicACL, shop, "returns"), open(none))}, `there is no user 03000000-`},
		{"an ACL with somebody who is no member", change{set(of(topicACL, lab, "raw"), open(carl))}, `user "carl" is not a member of project "lab"`},
		{"an ACL with a user twice", change{set(of(subACL, shop, "billing"), open(carl, pia, carl))}, `user "carl" is named twice`},
		{"an ACL before who is in it", change{set(of(topicACL, lab, "raw"), open(carl)), set(memberKey(lab, carl), publisher)}, ""},

		{"a project goes and leaves something", change{unset(projectKey(moon)), unset(projectKey(lab))}, `has to be removed with it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settled(t)
			says := describe(t, s)
			next, err := s.Try(tt.change)
			same(t, "afterwards", describe(t, s), says)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				describe(t, next)
				if _, err := snapshot.New(next.Records()); err != nil {
					t.Errorf("it contradicts the rules: %v", err)
				}
				return
			}
			var problems directory.Problems
			if !errors.As(err, &problems) || next != nil || !strings.Contains(problems.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if strings.Contains(fmt.Sprint(err), secret) {
				t.Error("the error shows a secret")
			}
		})
	}
}

// A removal leaves nothing behind that a new entry with the same key could regain.
func TestTryRemove(t *testing.T) {
	s := settled(t)
	for name, change := range map[string][]directory.Entry{
		"user": s.RemoveUser(carl), "member": s.RemoveMember(shop, carl), "project": s.RemoveProject(shop),
		"topic": s.RemoveTopic(lab, "raw"), "subscription": s.RemoveSubscription(shop, "billing"), "nothing": s.RemoveUser(none),
	} {
		next, err := s.Try(change)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for e := range next.Entries() {
			k := e.Key
			acl, _ := e.Value.(*directory.ACL)
			switch {
			case name == "user" && (k.User == carl || acl != nil && slices.Contains(acl.Users, carl)),
				name == "member" && (k.Project == shop && k.User == carl || acl != nil && slices.Contains(acl.Users, carl)),
				name == "project" && k.Project == shop, name == "topic" && k.Project == lab && k.Name == "raw",
				name == "subscription" && k.Name == "billing":
				t.Errorf("%s: %s is left", name, k)
			}
		}
	}
	if got := len(s.Readers("shop", "orders")); got != 2 {
		t.Errorf("%d subscriptions read the topic", got)
	}
	_, err := s.Try(s.RemoveTopic(shop, "orders"))
	var problems directory.Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Errorf("a topic goes that two subscriptions read: %v", err)
	}
}

// A new user or project with the name of a removed one has nothing of that.
func TestSameNameAgain(t *testing.T) {
	s := settled(t)
	for _, change := range [][]directory.Entry{
		s.RemoveUser(carl), directory.Put(directory.UserKey(none), &directory.User{Name: "carl"}),
		directory.Put(directory.MemberKey(shop, none), &directory.Member{Roles: directory.Roles()}),
	} {
		var err error
		if s, err = s.Try(change); err != nil {
			t.Fatal(err)
		}
	}
	if m, ok := s.Member("shop", "carl"); !ok || len(m.Topics) != 0 || len(m.Subs) != 0 {
		t.Errorf("the new carl has %v", m)
	}
	if _, ok := s.LookupKey(directory.DigestOf("carl")); ok {
		t.Error("the old key works")
	}
	for _, change := range [][]directory.Entry{
		s.RemoveProject(shop), directory.Put(directory.ProjectKey(nowhere), &directory.Project{Name: "shop", Account: "APP"}),
		directory.Put(of(topicKind, nowhere, "orders"), &directory.Topic{}),
	} {
		var err error
		if s, err = s.Try(change); err != nil {
			t.Fatal(err)
		}
	}
	if users, _, ok := s.ACL(topicACL, "shop", "orders"); !ok || users != nil {
		t.Errorf("the new topic is open to %v", users)
	}
	if f, _ := s.Facts("pia", "shop"); len(f.Memberships) != 1 || f.Memberships[0].Project.Name != "lab" {
		t.Errorf("pia is in %v", f.Memberships)
	}
}

// A removal of many entries is committed in parts. Between them the user has nothing, and
// the remaining entries cannot become visible again.
func TestRemoveInParts(t *testing.T) {
	s := settled(t)
	change := s.RemoveUser(carl)
	between, _, problems := s.Apply(change[:1])
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if _, ok := between.Facts("carl", ""); ok {
		t.Error("carl is still there")
	}
	if users, _, _ := between.ACL(topicACL, "shop", "orders"); !slices.Equal(users, []string{"pia"}) {
		t.Errorf("the ACL names %v", users)
	}
	if _, ok := between.LookupKey(directory.DigestOf("carl")); ok {
		t.Error("the key works")
	}
	if _, err := between.Try(directory.Put(directory.UserKey(carl), &directory.User{Name: "carl"})); err == nil {
		t.Error("carl gets back what was not removed yet")
	}
	if _, err := between.Try(directory.Put(of(topicACL, shop, "returns"), open(pia))); err != nil {
		t.Errorf("others are held up: %v", err)
	}
	after, err := between.Try(change[1:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.Try(directory.Put(directory.UserKey(carl), &directory.User{Name: "carl"})); err != nil {
		t.Error(err)
	}
}
