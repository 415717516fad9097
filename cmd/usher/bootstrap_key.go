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
	errNoAdmin  = errors.New("no such service admin")
)

// adminKey is a new key for a service admin. bootstrap writes it to the directory without
// the API, with the credentials of the service.
type adminKey struct {
	name  string
	again bool // --again: the directory may have entries
	key   string
	write func() error // prints the key or writes it to the file of --to
	now   time.Time

	// Set by change.
	id            uuid.UUID // of the user
	keyID         string
	written       bool
	before, after json.RawMessage // for the audit record
}

// change returns the entries that create the key. It writes the key first, because the key
// cannot be shown again. It may run several times, once for each conflict.
func (a *adminKey) change(s *snapshot.Snapshot, faults []kv.Fault) ([]directory.Entry, error) {
	var entries []directory.Entry
	var err error
	if a.again {
		entries, err = a.anotherKeyEntries(s)
	} else {
		entries, err = a.firstAdminEntries(s, faults)
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

// firstAdminEntries returns the entries for the first user. An entry that cannot be read counts as
// not empty: a newer usher may have written it.
func (a *adminKey) firstAdminEntries(s *snapshot.Snapshot, faults []kv.Fault) ([]directory.Entry, error) {
	for range s.Entries() {
		hint := "a service admin creates others with usher user add --service-role service_admin NAME; if all their keys are lost, use usher bootstrap --again"
		if s.Size() == (directory.Size{}) {
			hint = "none of its entries is usable: find the cause with usher check; this usher may be older than the others"
		}
		return nil, &fault.Error{Kind: fault.Denied, Err: errNotEmpty, Hint: hint}
	}
	if len(faults) > 0 {
		return nil, &fault.Error{
			Kind: fault.Denied, Err: fmt.Errorf("%w: entry %s cannot be read", errNotEmpty, faults[0].Key),
			Hint: "list such entries with usher check; this usher may be older than the others",
		}
	}
	a.keyID = defaultKey
	return a.entries(nil, directory.User{Name: a.name, Made: directory.Made{Created: a.now}}), nil
}

// anotherKeyEntries returns the entries for another key of a service admin. If no service admin has a
// valid key, any user becomes one.
func (a *adminKey) anotherKeyEntries(s *snapshot.Snapshot) ([]directory.Entry, error) {
	u, found := s.User(a.name)
	if (!found || !isAdmin(u)) && a.anyAdminValid(s) {
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

// entries returns the entries that make a user an enabled service admin with the key.
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
	withKey := after
	withKey.Keys = append(slices.Clone(after.Keys), *k)
	a.after = adminState(&withKey)
	return append(entries, directory.Put(directory.KeyKey(a.id, a.keyID), k)...)
}

// summary says what was created.
func (a *adminKey) summary() string {
	if a.again {
		return fmt.Sprintf("created key %s of service admin %s", a.keyID, a.name)
	}
	return "created service admin " + a.name
}

// adminState returns a user for the audit record, without secrets.
func adminState(u *directory.User) json.RawMessage {
	state := struct {
		Enabled      bool                    `json:"enabled"`
		ServiceRoles []directory.ServiceRole `json:"service_roles"`
		Keys         []string                `json:"keys"`
	}{!u.Disabled, u.ServiceRoles, []string{}}
	for i := range u.Keys {
		state.Keys = append(state.Keys, u.Keys[i].ID)
	}
	text, _ := json.Marshal(state) // cannot fail: strings and booleans only
	return text
}

func isAdmin(u *directory.User) bool {
	return slices.Contains(u.ServiceRoles, directory.ServiceRoleAdmin)
}

// anyAdminValid reports whether any enabled service admin has a valid API key now.
func (a *adminKey) anyAdminValid(s *snapshot.Snapshot) bool {
	for u := range s.Users() {
		if isAdmin(u) && !u.Disabled && slices.ContainsFunc(u.Keys, func(k directory.Key) bool {
			return k.Kind() == directory.KeyAPI && !k.Disabled && !k.NotBefore.After(a.now) && (k.Expires.IsZero() || k.Expires.After(a.now))
		}) {
			return true
		}
	}
	return false
}

// admins lists the first ten service admins.
func admins(s *snapshot.Snapshot) string {
	const limit = 10
	var names []string
	for u := range s.Users() {
		switch {
		case !isAdmin(u):
		case len(names) == limit:
			return strings.Join(names, ", ") + ", …"
		default:
			names = append(names, u.Name)
		}
	}
	return strings.Join(names, ", ")
}
