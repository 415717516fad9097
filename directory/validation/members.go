package validation

import (
	"usher/directory"
	"usher/directory/hashtable"
)

// noUser is the index of a user that does not exist.
const noUser = -1

// Members are the members of one project, resolved to users.
type Members struct {
	members []directory.Member
	users   []int           // by member, the index of the user
	index   hashtable.Index // of members, by name

	// The ACL that is being checked.
	acl      int             // its number
	lastACL  []int           // by member, the last ACL that names the member
	unknowns map[string]bool // other names in it
}

func newMembers(members []directory.Member, users []int) *Members {
	return &Members{members: members, users: users, index: hashtable.NewIndex(len(members)), lastACL: make([]int, len(members))}
}

// usersOf returns the indexes of the users that members name. It does nothing else:
// nearly every step waits for memory, and a processor overlaps such waits if they are
// close together.
func (c *checker) usersOf(members []directory.Member) []int {
	hashes := make([]uint64, len(members))
	for i := range members {
		c.yielder.Step()
		hashes[i] = hashtable.HashString(members[i].User)
	}
	users := make([]int, len(members))
	for i := range members {
		c.yielder.Step()
		n, ok := c.names.Find(hashes[i], c.hasName(members[i].User))
		if !ok {
			n = noUser
		}
		users[i] = n
	}
	return users
}

// Users returns the index of each member's user in the records. If the records had no
// problems, every member has one.
func (m *Members) Users() []int { return m.users }

// User returns the index of the user of a member.
func (m *Members) User(name string) (user int, ok bool) {
	i, ok := m.find(name)
	if !ok {
		return noUser, false
	}
	return m.users[i], true
}

// add adds a member, unless there is one of this name: then it returns that one.
func (m *Members) add(i int) (first int, exists bool) {
	name := m.members[i].User
	return m.index.Add(hashtable.HashString(name), i, m.hasName(name))
}

func (m *Members) find(name string) (i int, ok bool) {
	return m.index.Find(hashtable.HashString(name), m.hasName(name))
}

func (m *Members) hasName(name string) func(int) bool {
	return func(i int) bool { return m.members[i].User == name }
}

// beginACL begins another ACL.
func (m *Members) beginACL() {
	m.acl++
	m.unknowns = nil
}

// addToACL reports whether user is a member, and whether the ACL has named the user
// before.
func (m *Members) addToACL(user string) (isMember, repeated bool) {
	if i, ok := m.find(user); ok {
		repeated = m.lastACL[i] == m.acl
		m.lastACL[i] = m.acl
		return true, repeated
	}
	if repeated = m.unknowns[user]; !repeated {
		if m.unknowns == nil {
			m.unknowns = map[string]bool{}
		}
		m.unknowns[user] = true
	}
	return false, repeated
}

// releaseACLs frees the memory that only the checks of ACLs need.
func (m *Members) releaseACLs() { m.lastACL, m.unknowns = nil, nil }
