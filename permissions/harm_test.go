package permissions_test

import (
	"fmt"
	"strings"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// Attack: a project_admin makes a service_admin a member with a role of another scope, and its connection to the project is ambiguous
// Held by: project=P gives a service_admin the whole account, without the scopes of its roles in the project
func TestServiceAdminIgnoresProjectRoles(t *testing.T) {
	p := &permissions.Policy{AdminAccount: "APP", Scoped: []permissions.ScopedRole{{Account: "APP", Role: "consumer"}}}
	for _, r := range [][]directory.Role{nil, {directory.RoleConsumer}, directory.Roles()} {
		project := directory.Project{Name: "shop", Account: "APP"}
		if r != nil {
			project.Members = []directory.Member{member("root", r...)}
		}
		s := snapshotOf(t, directory.Records{Users: []directory.User{user("root", directory.ServiceRoleAdmin)}, Projects: []directory.Project{project}})
		g, err := derive(t, p, s, "root", identity.Selection{Project: "shop"})
		if err != nil || g.Scope != "" || !g.Check(permissions.Publish, "anything").Allowed {
			t.Errorf("with %v: %v, scope %q", r, err, g.Scope)
		}
	}
}

// Which changes of project lab harm a user.
func TestHarms(t *testing.T) {
	p := &permissions.Policy{AdminAccount: "ADMIN", IngestAccount: "APP", Scoped: []permissions.ScopedRole{{Account: "APP", Role: "consumer"}}}
	in := func(name, account string, topics int, roles ...directory.Role) directory.Project {
		project := directory.Project{Name: name, Account: account, Members: []directory.Member{member("vic", roles...)}}
		for i := range topics {
			project.Topics = append(project.Topics, directory.Topic{
				Name: fmt.Sprint("t", i), Subject: fmt.Sprintf("%s.%d.%s", name, i, strings.Repeat("x", 200)), ACL: []string{"vic"},
			})
		}
		if len(roles) == 0 {
			project.Members = nil
			for i := range project.Topics {
				project.Topics[i].ACL = nil
			}
		}
		return project
	}
	const limit = 64 << 10 // of which a topic takes 400 bytes
	pub, con, admin := directory.RolePublisher, directory.RoleConsumer, directory.RoleProjectAdmin
	shop := in("shop", "APP", 10, pub)
	for _, tt := range []struct {
		name          string
		service       []directory.ServiceRole
		outside       []directory.Project
		before, after directory.Project // lab, which changes
		harms         bool
	}{
		{"becomes a member", nil, []directory.Project{shop}, in("lab", "APP", 0), in("lab", "APP", 0, pub), false},
		{"in another account", nil, []directory.Project{shop}, in("lab", "LAB", 0), in("lab", "LAB", 0, pub), true},
		{"in another account, where it has a role already", nil, []directory.Project{shop, in("too", "LAB", 0, pub)}, in("lab", "LAB", 0), in("lab", "LAB", 0, pub), false},
		{"with another scope", nil, []directory.Project{shop}, in("lab", "APP", 0), in("lab", "APP", 0, con), true},
		{"in one of two accounts, with another scope there", nil, []directory.Project{shop, in("too", "LAB", 0, pub)}, in("lab", "APP", 0), in("lab", "APP", 0, con), true},
		{"another role of the same scope", nil, []directory.Project{shop}, in("lab", "APP", 0, pub), in("lab", "APP", 0, pub, admin), false},
		{"the answer becomes too large", nil, []directory.Project{in("shop", "APP", 100, pub)}, in("lab", "APP", 0, pub), in("lab", "APP", 70, pub), true},
		{"less than half", nil, []directory.Project{shop}, in("lab", "APP", 0, pub), in("lab", "APP", 60, pub), false},
		{"more than half", nil, []directory.Project{shop}, in("lab", "APP", 0, pub), in("lab", "APP", 100, pub), true},
		{"still more than half, but less than before", nil, []directory.Project{shop}, in("lab", "APP", 110, pub), in("lab", "APP", 100, pub), false},
		{"no other role", nil, nil, in("lab", "APP", 0, pub), in("lab", "APP", 300, pub), false},
		{"removed from the project", nil, []directory.Project{shop}, in("lab", "APP", 10, pub), in("lab", "APP", 10), false},
		{"a service role elsewhere", directory.ServiceRoles()[:1], nil, in("lab", "APP", 0), in("lab", "APP", 0, pub), true},
		{"a service role in the account", directory.ServiceRoles()[1:], nil, in("lab", "APP", 0), in("lab", "APP", 0, pub), false},
		{"a service role in the account, another scope", directory.ServiceRoles()[1:], nil, in("lab", "APP", 0), in("lab", "APP", 0, con), true},
	} {
		facts := func(lab directory.Project) *directory.Facts {
			r := directory.Records{Users: []directory.User{user("vic", tt.service...)}}
			for _, p := range append([]directory.Project{lab}, tt.outside...) {
				p.Topics = append([]directory.Topic(nil), p.Topics...)
				r.Projects = append(r.Projects, p)
			}
			f, _ := snapshotOf(t, r).Facts("vic", "")
			return &f
		}
		if got := p.Harms(facts(tt.before), facts(tt.after), &directory.Project{ID: directory.IDOf(directory.KindProject, "lab")}, limit); got != tt.harms {
			t.Errorf("%s: harms %v", tt.name, got)
		}
	}
}
