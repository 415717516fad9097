package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/internal/fault"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

var (
	errNotEmpty = errors.New("the directory is not empty")
	errNoAdmin  = errors.New("there is no such service admin")
)

// adminKey is a key for a service admin, which whoever has the service's own
// credentials makes past the API.
type adminKey struct {
	name  string
	again bool // the directory is not empty
	key   string
	write func() error // hands the key to whoever asked for it
	now   time.Time

	// What the change makes it.
	id            uuid.UUID // of the user
	keyID         string
	written       bool
	before, after json.RawMessage // for the audit
}

// change returns the change that makes the key, which is written by then: nobody
// could get it a second time.
func (a *adminKey) change(s *snapshot.Snapshot, faults []kv.Fault) ([]directory.Entry, error) {
	var entries []directory.Entry
	var err error
	if a.again {
		entries, err = a.another(s)
	} else {
		entries, err = a.first(s, faults)
	}
	if err != nil {
		return nil, err
	}
	if a.written {
		return entries, nil
	}
	if _, err := s.Try(entries); err != nil {
		return nil, err
	}
	if err := a.write(); err != nil {
		return nil, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("write the key: %w", err), Hint: "nothing was changed"}
	}
	a.written = true
	return entries, nil
}

// first makes a user of a directory in which there is nothing, not even what
// cannot be read: it may be of a newer usher.
func (a *adminKey) first(s *snapshot.Snapshot, faults []kv.Fault) ([]directory.Entry, error) {
	for range s.Entries() {
		hint := "a service admin of it makes others: usher user add --service-role service_admin NAME; if all their keys are lost: usher bootstrap --again"
		if s.Size() == (directory.Size{}) {
			hint = "nothing in it can be used: usher check says why; is this usher older than the others?"
		}
		return nil, &fault.Error{Kind: fault.Denied, Err: errNotEmpty, Hint: hint}
	}
	if len(faults) > 0 {
		return nil, &fault.Error{
			Kind: fault.Denied, Err: fmt.Errorf("%w: entry %s cannot be read", errNotEmpty, faults[0].Key),
			Hint: "usher check names them; is this usher older than the others?",
		}
	}
	a.keyID = defaultKey
	return a.entries(nil, directory.User{Name: a.name, Made: directory.Made{Created: a.now}}), nil
}

// another makes another key for a service admin, or makes one where none gets in.
func (a *adminKey) another(s *snapshot.Snapshot) ([]directory.Entry, error) {
	u, found := s.User(a.name)
	if (!found || !isAdmin(u)) && a.somebodyGetsIn(s) {
		return nil, &fault.Error{Kind: fault.Denied, Err: fmt.Errorf("%w: %s", errNoAdmin, a.name), Hint: "service admins: " + admins(s)}
	}
	digest := directory.DigestOf(a.key)
	a.keyID = "bootstrap-" + digest.KeyID()
	if !found {
		return a.entries(nil, directory.User{Name: a.name, Made: directory.Made{Created: a.now}}), nil
	}
	a.id = u.ID
	return a.entries(u, *u), nil
}

// entries returns the change that has a user be a service admin with the key.
func (a *adminKey) entries(before *directory.User, after directory.User) []directory.Entry {
	var entries []directory.Entry
	a.before = nil
	if before != nil {
		a.before = adminState(before)
	}
	if before == nil || before.Disabled || !isAdmin(before) {
		after.Disabled, after.Made.Modified = false, a.now
		if !isAdmin(&after) {
			after.ServiceRoles = append(slices.Clone(after.ServiceRoles), directory.ServiceRoleAdmin)
		}
		entries = directory.Put(directory.UserKey(a.id), &after)
	}
	k := &directory.Key{ID: a.keyID, Digest: directory.DigestOf(a.key), Created: a.now}
	with := after
	with.Keys = append(slices.Clone(after.Keys), *k)
	a.after = adminState(&with)
	return append(entries, directory.Put(directory.KeyKey(a.id, a.keyID), k)...)
}

// made says what was made.
func (a *adminKey) made() string {
	if a.again {
		return fmt.Sprintf("made key %s of service admin %s", a.keyID, a.name)
	}
	return "made service admin " + a.name
}

// adminState is a user as the audit tells it: without any secret.
func adminState(u *directory.User) json.RawMessage {
	state := struct {
		Enabled      bool                    `json:"enabled"`
		ServiceRoles []directory.ServiceRole `json:"service_roles"`
		Keys         []string                `json:"keys"`
	}{!u.Disabled, u.ServiceRoles, []string{}}
	for i := range u.Keys {
		state.Keys = append(state.Keys, u.Keys[i].ID)
	}
	text, _ := json.Marshal(state) // it is text only
	return text
}

func isAdmin(u *directory.User) bool {
	return slices.Contains(u.ServiceRoles, directory.ServiceRoleAdmin)
}

// somebodyGetsIn reports whether a service admin has a key that works now.
func (a *adminKey) somebodyGetsIn(s *snapshot.Snapshot) bool {
	for u := range s.Users() {
		if isAdmin(u) && !u.Disabled && slices.ContainsFunc(u.Keys, func(k directory.Key) bool {
			return !k.Disabled && !k.NotBefore.After(a.now) && (k.Expires.IsZero() || k.Expires.After(a.now))
		}) {
			return true
		}
	}
	return false
}

// admins lists some service admins.
func admins(s *snapshot.Snapshot) string {
	const most = 10
	var names []string
	for u := range s.Users() {
		switch {
		case !isAdmin(u):
		case len(names) == most:
			return strings.Join(names, ", ") + ", …"
		default:
			names = append(names, u.Name)
		}
	}
	return strings.Join(names, ", ")
}
