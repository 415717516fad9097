package sessions

// CountOfUser returns the number of sessions of a user. It costs one look-up.
func (r *Registry) CountOfUser(user string) int {
	n, _ := r.userShard(user)
	sh := &r.shards[n]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return int(sh.sessions[r.userHash(user)])
}

// CountOfKey returns the number of sessions of a user with a credential of this key id. It
// costs one look-up.
func (r *Registry) CountOfKey(user, key string) int {
	n, _ := r.userShard(user)
	sh := &r.shards[n]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return int(sh.sessions[r.keyHash(user, key)])
}

// CountOfProject returns the number of sessions whose grants have roles in a project. It
// costs one look-up.
func (r *Registry) CountOfProject(name string) int {
	r.grants.mu.RLock()
	defer r.grants.mu.RUnlock()
	if p := r.grants.projects[name]; p != nil {
		return int(p.sessions.Load())
	}
	return 0
}
