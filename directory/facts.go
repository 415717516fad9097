package directory

import (
	"slices"
	"time"
)

// KeyRecord is the key with a certain digest, of whatever kind, and its user.
type KeyRecord struct {
	User *User
	Key  *Key
}

// Membership is one project of a user, with what the ACLs of the project give the
// user.
type Membership struct {
	Project  *Project
	Roles    []Role
	Topics   []*Topic        // whose ACL names the user, sorted by name
	Subs     []*Subscription // whose ACL names the user, sorted by name
	Revision uint64

	TopicBytes int     // length of the subjects of Topics, as the inside of JSON strings
	SubBytes   int     // length of the names of Subs
	Outside    Lengths // of the subjects of the project's topics that do not begin with the project's name
}

// Has reports whether the membership holds role r.
func (m *Membership) Has(r Role) bool { return slices.Contains(m.Roles, r) }

// Facts is everything that the directory says about one user. All of it comes from
// one snapshot.
type Facts struct {
	User        *User
	Memberships []Membership // sorted by project name
	Selected    *Project     // the project that was asked for; nil if none was, or it does not exist
	Undecided   bool         // an unreadable entry could change the facts
	Profile     string       // of usher.yaml, which is all that a service has; usually empty

	Accounts           map[string]AccountUse // by NATS account
	AccountsIncomplete bool                  // a project is unreadable, and so is its account
}

// AccountUse counts the projects of a NATS account, and their topics whose subject
// does not begin with the name of their project.
type AccountUse struct{ Projects, TopicsOutside int }

// ProjectsIn returns the number of projects in a NATS account. certain is false if
// there is an unreadable project, which may be in this account too.
func (f *Facts) ProjectsIn(account string) (n int, certain bool) {
	return f.Accounts[account].Projects, !f.AccountsIncomplete
}

// HasServiceRole reports whether the user holds service role r.
func (f *Facts) HasServiceRole(r ServiceRole) bool {
	return f.User != nil && slices.Contains(f.User.ServiceRoles, r)
}

// Size counts the contents of a snapshot.
type Size struct{ Users, Keys, Projects, Topics, Subscriptions, Bans int }

// Administers reports whether a user is a service_admin who can connect at now with
// one of its keys. A key that expires later does not count. If anywhere is true, only
// keys count that every network may use: the caller cannot know whether the user is in one
// of the networks of a restricted key. Bans are not considered.
func (u *User) Administers(now time.Time, anywhere bool) bool {
	return u.AdministersWith(now, anywhere, func(*Key) bool { return true })
}

// AdministersWith is Administers if only those keys count for which usable returns true.
func (u *User) AdministersWith(now time.Time, anywhere bool, usable func(*Key) bool) bool {
	return !u.Disabled && slices.Contains(u.ServiceRoles, ServiceRoleAdmin) && slices.ContainsFunc(u.Keys, func(k Key) bool {
		return k.Other == nil && !k.Disabled && !k.NotBefore.After(now) && k.Expires.IsZero() && (!anywhere || len(k.Networks) == 0) && usable(&k)
	})
}

// Everything stands for all topics or subscriptions of a project in a ProjectRole.
const Everything = "*"

// ProjectRole is a role in a project that a principal has without being a user. The ACLs
// of the project do not hold for it: a publisher has the topics and a consumer the
// subscriptions that are named here, or Everything.
type ProjectRole struct {
	Project       string
	Role          Role
	Topics        []string // of a publisher
	Subscriptions []string // of a consumer
}
