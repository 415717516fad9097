package sessions

import (
	"reflect"
	"slices"
	"strings"

	"usher/callout/session"
	"usher/identity"
	"usher/permissions"
)

// projectTag begins the tag of a grant that names a project.
const projectTag = "project:"

// Groups yields the sessions of some users, or with nil of all, in groups: one session, and
// the IDs of all that are like it. Their credential, identity, rules, grant, connection
// types, MQTT client id and address are equal, so that what is decided about one of them
// holds for all. Server, client, request and times may differ, and the revision too.
func (r *Registry) Groups(users []string, yield func(one *session.Session, all []session.ID) bool) {
	type group struct {
		one *session.Session
		ids []session.ID
	}
	groups := map[string][]*group{}
	for s := range r.All {
		if users != nil && !slices.Contains(users, s.Identity.Name) {
			continue
		}
		same := groups[s.Identity.Name]
		i := slices.IndexFunc(same, func(g *group) bool { return alike(g.one, s) })
		if i < 0 {
			i, same = len(same), append(same, &group{one: s})
			groups[s.Identity.Name] = same
		}
		same[i].ids = append(same[i].ids, s.ID)
	}
	for _, same := range groups {
		for _, g := range same {
			if !yield(g.one, g.ids) {
				return
			}
		}
	}
}

// alike reports whether two sessions belong to one group.
func alike(a, b *session.Session) bool {
	type decided struct {
		identity.Identity
		verifier, profile, rules string
		digest                   [32]byte
		adopted                  bool
		grant                    permissions.Grant
	}
	of := func(s *session.Session) decided {
		return decided{s.Identity, s.Verifier, s.Profile, strings.Join(s.Rules, "\n"), s.Digest, s.Adopted, s.Grant}
	}
	return a.Addr == b.Addr && reflect.DeepEqual(of(a), of(b))
}

// CountOfUser returns the number of sessions of a user.
func (r *Registry) CountOfUser(user string) int { return r.Count(&Filter{User: user}) }

// CountOfKey returns the number of sessions of a user with a credential of this key id.
func (r *Registry) CountOfKey(user, key string) int { return r.Count(&Filter{User: user, Key: key}) }

// CountOfProject returns the number of sessions whose grants have roles in a project.
func (r *Registry) CountOfProject(project string) (n int) {
	for s := range r.All {
		if slices.Contains(s.Grant.Tags, projectTag+project) {
			n++
		}
	}
	return n
}
