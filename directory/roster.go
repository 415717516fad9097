package directory

// roster is who the members of a project are, to check its ACLs against.
type roster struct {
	index     map[string]int
	seen      []int           // by index, the ACL that named the member last
	acl       int             // which ACL it is
	strangers map[string]bool // who else is named in it
}

func newRoster(members int) *roster {
	return &roster{index: make(map[string]int, members), seen: make([]int, members)}
}

// begin begins another ACL.
func (r *roster) begin() {
	r.acl++
	r.strangers = nil
}

// see reports whether user is a member, and whether the ACL named the user before.
func (r *roster) see(user string) (member, again bool) {
	if i, ok := r.index[user]; ok {
		again = r.seen[i] == r.acl
		r.seen[i] = r.acl
		return true, again
	}
	if again = r.strangers[user]; !again {
		if r.strangers == nil {
			r.strangers = map[string]bool{}
		}
		r.strangers[user] = true
	}
	return false, again
}
