package users

import (
	"slices"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// userView shows the user with this name. It reads the name when it is called, because a
// change may rename the user.
func userView(name *string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		u, ok := s.User(*name)
		if !ok {
			return nil, 0, false
		}
		return userOf(s, u), u.Revision, true
	}
}

// memberView shows a member as an administrator of the project sees it. It omits what
// concerns other projects, and service roles.
func memberView(project, name string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		u, exists := s.User(name)
		m, ok := s.Member(project, name)
		if !exists || !ok {
			return nil, 0, false
		}
		return memberOf(u, &m), m.Revision, true
	}
}

// KeyView shows the API key of a user with this id.
func KeyView(user, id string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		u, ok := s.User(user)
		if !ok {
			return nil, 0, false
		}
		k := findKey(u, id, directory.KeyAPI)
		if k == nil {
			return nil, 0, false
		}
		return keyOf(k), k.Revision, true
	}
}

// findKey returns the key of a user with this id; nil: there is none of this kind.
func findKey(u *directory.User, id string, kind directory.KeyKind) *directory.Key {
	if k := anyKey(u, id); k != nil && k.Kind() == kind {
		return k
	}
	return nil
}

func anyKey(u *directory.User, id string) *directory.Key {
	if i := slices.IndexFunc(u.Keys, func(k directory.Key) bool { return k.ID == id }); i >= 0 {
		return &u.Keys[i]
	}
	return nil
}

// checkNewKey refuses the id of a new key if a key of any kind has it.
func checkNewKey(u *directory.User, id string, kind directory.KeyKind) error {
	k := anyKey(u, id)
	if k == nil {
		return nil
	}
	err := apierror.AlreadyExists(kindOf(kind))
	if k.Kind() != kind {
		return err.WithDetails("the keys of a user have different names, and the user has a " + k.Kind().Noun() + " of this name")
	}
	return err
}

// kindOf returns what errors call a key of this kind.
func kindOf(kind directory.KeyKind) apierror.Kind {
	switch kind {
	case directory.KeyNKey:
		return apierror.NKey
	case directory.KeyPassword:
		return apierror.Password
	case directory.KeyCertificate:
		return apierror.Certificate
	case directory.KeyBinding:
		return apierror.Binding
	case directory.KeyAPI:
	}
	return apierror.Key
}

func userOf(s *snapshot.Snapshot, u *directory.User) wire.User {
	out := withoutRoles(u)
	out.ServiceRoles = rest.Strings(u.ServiceRoles)
	out.CreatedBy = rest.UserName(s, u.Made.By)
	if facts, ok := s.Facts(u.Name, ""); ok {
		for i := range facts.Memberships {
			out.Projects = append(out.Projects, membershipOf(&facts.Memberships[i]))
		}
	}
	return out
}

func memberOf(u *directory.User, m *directory.Membership) wire.User {
	out := withoutRoles(u)
	out.Projects = append(out.Projects, membershipOf(m))
	return out
}

// withoutRoles is a user without its roles, its memberships and its creator.
func withoutRoles(u *directory.User) wire.User {
	out := wire.User{
		UUID: u.ID.String(), Name: u.Name, Projects: []wire.UserProject{},
		ServiceRoles: []string{}, Enabled: !u.Disabled,
		CreatedOn: wire.Time(u.Made.Created), ModifiedOn: wire.Time(u.Made.Modified),
	}
	if len(u.Limits.ConnectionTypes) > 0 {
		out.ConnectionTypes = rest.Strings(u.Limits.ConnectionTypes)
	}
	if p := u.Profile; p != nil {
		out.FirstName, out.LastName, out.Organization = p.FirstName, p.LastName, p.Organization
		out.Description, out.Email = p.Description, p.Email
	}
	return out
}

func membershipOf(m *directory.Membership) wire.UserProject {
	p := wire.UserProject{Project: m.Project.Name, Roles: rest.Strings(m.Roles), Topics: []string{}, Subscriptions: []string{}}
	for _, t := range m.Topics {
		p.Topics = append(p.Topics, t.Name)
	}
	for _, sub := range m.Subs {
		p.Subscriptions = append(p.Subscriptions, sub.Name)
	}
	return p
}

func keyOf(k *directory.Key) wire.Key {
	out := wire.Key{
		Name: k.ID, Enabled: !k.Disabled, CreatedOn: wire.Time(k.Created),
		NotBefore: wire.Time(k.NotBefore), ExpiresOn: wire.Time(k.Expires),
	}
	for _, n := range k.Networks {
		out.SourceNetworks = append(out.SourceNetworks, n.String())
	}
	return out
}
