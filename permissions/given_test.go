package permissions_test

import (
	"reflect"
	"testing"

	"usher/directory"
	"usher/directory/given"
	"usher/directory/snapshot"
	"usher/identity"
)

// FuzzProjectRoles: an identity that is given the roles, topics and subscriptions of a
// user gets the grant of the user, of the same size.
func FuzzProjectRoles(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 255, 0, 255, 7, 7, 7, 7, 7, 7, 255, 1, 255, 1, 255, 1, 255})
	f.Add([]byte("\x02\x01\x02\x02\x02\x02\xff\x01\xff\x02\x04\x06\x01\x03\x05\xff\x02\xff\x03\x3f\x01\x15\x00\x2a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, p := build(data)
		s, err := snapshot.New(r)
		if err != nil {
			return
		}
		for _, name := range fuzzUsers {
			for _, sel := range []identity.Selection{{}, {Project: "shop"}, {Account: "APP"}} {
				facts, _ := s.Facts(name, sel.Project)
				other, unknown := given.Facts(s, name, rolesOf(&facts), facts.User.ServiceRoles, sel.Project)
				if len(unknown) > 0 {
					t.Errorf("unknown: %v", unknown)
				}
				id := identity.Identity{Name: name, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey, Selection: sel}
				grant, err := p.Derive(id, facts)
				grantOther, errOther := p.Derive(id, other)
				if (err == nil) != (errOther == nil) || err != nil && err.Error() != errOther.Error() {
					t.Fatalf("%s: %v, given %v", name, err, errOther)
				}
				if !reflect.DeepEqual(grant, grantOther) {
					t.Errorf("%s gets\n%+v, given\n%+v", name, grant, grantOther)
				}
				size, _ := p.Size(id, facts)
				if n, _ := p.Size(id, other); n != size {
					t.Errorf("%s: size %d, given %d", name, size, n)
				}
			}
		}
	})
}

// rolesOf returns the roles of a user with the topics and subscriptions of the ACLs.
func rolesOf(f *directory.Facts) []directory.ProjectRole {
	var roles []directory.ProjectRole
	for i := range f.Memberships {
		m := &f.Memberships[i]
		for _, r := range m.Roles {
			role := directory.ProjectRole{Project: m.Project.Name, Role: r}
			for _, topic := range m.Topics {
				role.Topics = append(role.Topics, topic.Name)
			}
			for _, sub := range m.Subs {
				role.Subscriptions = append(role.Subscriptions, sub.Name)
			}
			roles = append(roles, role)
		}
	}
	return roles
}
