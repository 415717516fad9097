package server

import (
	"context"
	"sync"

	"usher/callout"
	"usher/directory/kv"
	"usher/identity"
	"usher/permissions/mapping"
	"usher/tokens"
)

// forgetting drops from the caches of verifiers what they know of users whose records in
// the directory have changed. It collects changes while it works, so that a reload and a
// burst of changes cost little.
type forgetting struct {
	mu    sync.Mutex
	users map[string]bool
	all   bool
	wake  chan struct{} // holds an element while there is something to do
}

func newForgetting() *forgetting {
	return &forgetting{users: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// everybody notes a change of which nobody knows whom it affects.
func (f *forgetting) everybody() {
	f.mu.Lock()
	f.all = true
	f.mu.Unlock()
	f.signal()
}

// some notes a change that affects some users.
func (f *forgetting) some(users []string) {
	if len(users) == 0 {
		return
	}
	f.mu.Lock()
	for _, name := range users {
		f.users[name] = true
	}
	f.mu.Unlock()
	f.signal()
}

func (f *forgetting) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take returns a match of the identities that what was noted affects.
func (f *forgetting) take(rules *mapping.Rules) func(*identity.Identity) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	users, all := f.users, f.all
	f.users, f.all = map[string]bool{}, false
	return func(id *identity.Identity) bool {
		if all || id.Name != "" {
			return all || users[id.Name]
		}
		result, err := rules.Map(id)
		return err == nil && users[result.User]
	}
}

// run drops what was noted until ctx ends.
func (f *forgetting) run(ctx context.Context, chain tokens.Chain, ruleset func() *callout.Ruleset) {
	for {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
		match := f.take(ruleset().Rules)
		for _, v := range chain {
			if cached, ok := v.(tokens.Forgetter); ok {
				cached.Forget(match)
			}
		}
	}
}

// forgetChanged notes a change of a bucket.
func (srv *Server) forgetChanged(c *kv.Changed) {
	s := srv.Parts.Store.Snapshot()
	if c.Loaded || s == nil {
		srv.forgetting.everybody()
		return
	}
	var users []string
	for _, id := range c.Users {
		u, ok := s.UserByID(id)
		if !ok { // the user is gone, and the name with it
			srv.forgetting.everybody()
			return
		}
		users = append(users, u.Name)
	}
	srv.forgetting.some(users)
}
