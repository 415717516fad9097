package given_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/given"
	"usher/directory/snapshot"
)

func records() directory.Records {
	return directory.Records{
		Users: []directory.User{{Name: "carl", Keys: []directory.Key{{Digest: directory.DigestOf("carl")}}}},
		Projects: []directory.Project{
			{
				Name: "shop", Account: "APP",
				Members:       []directory.Member{{User: "carl", Roles: []directory.Role{directory.RoleConsumer, directory.RolePublisher}}},
				Topics:        []directory.Topic{{Name: "returns"}, {Name: "orders", ACL: []string{"carl"}}},
				Subscriptions: []directory.Subscription{{Name: "billing", Topic: "orders", ACL: []string{"carl"}}, {Name: "audit", Topic: "orders"}},
			},
			{Name: "lab", Account: "LAB", Topics: []directory.Topic{{Name: "raw", Subject: "probe.raw"}}},
		},
	}
}

func TestFacts(t *testing.T) {
	s, err := snapshot.New(records())
	if err != nil {
		t.Fatal(err)
	}
	publisher := func(project string, topics ...string) directory.ProjectRole {
		return directory.ProjectRole{Project: project, Role: directory.RolePublisher, Topics: topics}
	}
	consumer := func(project string, subs ...string) directory.ProjectRole {
		return directory.ProjectRole{Project: project, Role: directory.RoleConsumer, Subscriptions: subs}
	}
	for _, c := range []struct {
		roles   []directory.ProjectRole
		want    string // memberships
		unknown string
	}{
		{nil, "", "[]"},
		{[]directory.ProjectRole{publisher("shop", "orders")}, "shop[publisher] orders;", "[]"},
		{[]directory.ProjectRole{publisher("shop", "returns", "orders", "orders", "none")}, "shop[publisher] orders returns;", "[]"},
		{[]directory.ProjectRole{publisher("shop", "*")}, "shop[publisher] orders returns;", "[]"},
		{[]directory.ProjectRole{publisher("shop", "*"), publisher("shop", "orders")}, "shop[publisher] orders returns;", "[]"},
		{[]directory.ProjectRole{publisher("shop", "orders"), publisher("shop", "*")}, "shop[publisher] orders returns;", "[]"},
		{[]directory.ProjectRole{publisher("shop", "none")}, "shop[publisher];", "[]"},
		{[]directory.ProjectRole{consumer("shop", "*"), publisher("shop", "returns")}, "shop[consumer publisher] returns audit billing;", "[]"},
		{[]directory.ProjectRole{consumer("shop", "billing"), publisher("lab", "raw"), publisher("gone", "*")}, "lab[publisher] raw;shop[consumer] billing;", "[gone]"},
		{[]directory.ProjectRole{publisher("gone", "*"), {Project: "", Role: directory.RoleProjectAdmin}}, "", "[gone ]"},
	} {
		f, unknown := given.Facts(s, "gh~x", c.roles, []directory.ServiceRole{directory.ServiceRoleIngest}, "lab")
		text := ""
		for _, m := range f.Memberships {
			text += fmt.Sprintf("%s%v", m.Project.Name, m.Roles)
			topics, subs := 0, 0
			for _, topic := range m.Topics {
				text += " " + topic.Name
				topics += len(topic.Subject)
			}
			for _, sub := range m.Subs {
				text += " " + sub.Name
				subs += len(sub.Name)
			}
			text += ";"
			if topics != m.TopicBytes || subs != m.SubBytes || (m.Outside.Count > 0) != (m.Project.Name == "lab") {
				t.Errorf("%v: sums of %s: %+v", c.roles, m.Project.Name, m)
			}
		}
		if text != c.want || fmt.Sprint(unknown) != c.unknown {
			t.Errorf("%+v: got %q, unknown %v, want %q, %s", c.roles, text, unknown, c.want, c.unknown)
		}
		if f.User.Name != "gh~x" || !f.HasServiceRole(directory.ServiceRoleIngest) || f.Selected == nil || f.Selected.Name != "lab" || f.Undecided {
			t.Errorf("%+v", f)
		}
		if n, certain := f.ProjectsIn("APP"); n != 1 || !certain {
			t.Errorf("%d projects in APP, certain: %v", n, certain)
		}
	}
	before, _ := s.Facts("carl", "")
	given.Facts(s, "x", []directory.ProjectRole{publisher("shop", "returns"), publisher("shop", "orders")}, nil, "")
	if after, _ := s.Facts("carl", ""); !reflect.DeepEqual(before, after) {
		t.Error("the facts of a user have changed")
	}
}

// An unreadable entry that could change the facts makes them undecided, and no other
// does.
func TestFactsUndecided(t *testing.T) {
	s, err := snapshot.New(records())
	if err != nil {
		t.Fatal(err)
	}
	shop, _ := s.Project("shop")
	unreadable := func(k directory.EntryKey) *snapshot.Snapshot {
		next, _, _ := s.Apply([]directory.Entry{{Key: k, Value: &directory.Unreadable{}}})
		return next
	}
	topic := unreadable(directory.ResourceKey(directory.KindTopic, shop.ID, "new"))
	project := unreadable(directory.ProjectKey(uuid.New()))
	user := unreadable(directory.UserKey(uuid.New()))
	for _, c := range []struct {
		name      string
		s         *snapshot.Snapshot
		project   string
		selected  string
		undecided bool
	}{
		{"a topic of the project", topic, "shop", "", true},
		{"a topic of the selected project", topic, "shop", "shop", true},
		{"a topic of another project than the selected one", topic, "shop", "lab", false},
		{"a topic of another project", topic, "lab", "", false},
		{"another project", project, "shop", "", false},
		{"perhaps the project", project, "gone", "", true},
		{"perhaps the project, but another is selected", project, "gone", "shop", false},
		{"perhaps the selected project", project, "gone", "gone", true},
		{"a user", user, "shop", "", false},
		{"a user, and an unknown project", user, "gone", "", false},
	} {
		f, _ := given.Facts(c.s, "x", []directory.ProjectRole{{Project: c.project, Role: directory.RoleProjectAdmin}}, nil, c.selected)
		if f.Undecided != c.undecided {
			t.Errorf("%s: undecided is %v", c.name, f.Undecided)
		}
	}
}
