package inquiry

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/app/auditlog"
	"usher/app/explanation"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
)

// State is what the directory has now for the user of a decision.
type State struct {
	Source      string    `json:"source"`                  // for people
	Revision    uint64    `json:"revision,omitempty"`      // of the directory; 0: not known
	FileChanged time.Time `json:"file_changed,omitzero"`   // when the file of the directory was written; zero: it is no file
	User        *User     `json:"user,omitempty"`          // nil: there is no such user
	Key         *Key      `json:"key,omitempty"`           // with which it was decided; nil: not known
	Newer       []string  `json:"newer,omitempty"`         // entries that were written since the decision
	Compared    bool      `json:"entries_compared"`        // Newer is known
	Audited     bool      `json:"audit_searched"`          // for changes: those of the report are all that it has
	Same        bool      `json:"same_revision,omitempty"` // nothing in the directory has changed since

	// What the user would get now; nil: it cannot be told without the credential.
	Decision *explanation.Explanation `json:"decision,omitempty"`
}

// User is a user of the directory.
type User struct {
	Name         string    `json:"name"`
	Enabled      bool      `json:"enabled"`
	ServiceRoles []string  `json:"service_roles,omitempty"`
	Projects     []Project `json:"projects,omitempty"`
}

// Project is a project of a user.
type Project struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
}

// Key is a key of a user, by the name that the audit has.
type Key struct {
	ID     string `json:"id"`
	Exists bool   `json:"exists"`
	Code   string `json:"code,omitempty"`  // why it would be denied; empty: it is usable
	Cause  string `json:"cause,omitempty"` // as above, for people
}

// HasState reports whether the directory decides about the identity of an event: a user of
// the directory. Who else vouches for an identity cannot be asked without the credential.
func HasState(e *auditlog.Event) bool {
	return e.User != "" && (e.Authority == "" || e.Authority == string(identity.AuthorityDirectory))
}

// StateOf returns what a directory has for the user of a decision.
func StateOf(in explanation.Inputs, s *snapshot.Snapshot, e *auditlog.Event) *State {
	out := &State{Revision: s.Latest()}
	then := e.DirectoryRevision
	out.Compared = then != 0 && out.Revision >= then
	out.Same = out.Compared && out.Revision == then
	f, ok := s.Facts(e.User, "")
	if !ok {
		return out
	}
	out.User = &User{Name: f.User.Name, Enabled: !f.User.Disabled, ServiceRoles: texts(f.User.ServiceRoles)}
	for i := range f.Memberships {
		m := &f.Memberships[i]
		out.User.Projects = append(out.User.Projects, Project{m.Project.Name, texts(m.Roles)})
	}
	if e.KeyID != "" {
		out.Key = keyOf(f.User, e, in.Now())
	}
	if out.Compared {
		out.Newer = newer(&f, e.KeyID, then)
	}
	out.Decision = explanation.ForUser(in, e.User, identity.Selection{})
	return out
}

// keyOf returns the key of a decision as it is now.
func keyOf(u *directory.User, e *auditlog.Event, now time.Time) *Key {
	out := &Key{ID: e.KeyID}
	i := slices.IndexFunc(u.Keys, func(k directory.Key) bool { return k.ID == e.KeyID })
	if i < 0 {
		return out
	}
	out.Exists = true
	err := tokens.CheckKey(directory.KeyRecord{User: u, Key: &u.Keys[i]}, &tokens.Credential{Host: e.ClientHost}, identity.Identity{}, now)
	var reason *tokens.Reason
	if errors.As(err, &reason) {
		out.Code, out.Cause = reason.Code, reason.Cause
	}
	return out
}

// newer names the entries of a user that were written after a revision.
func newer(f *directory.Facts, key string, revision uint64) []string {
	var all []string
	add := func(written uint64, format string, args ...any) {
		if written > revision {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(f.User.Revision, "user %s", f.User.Name)
	for i := range f.User.Keys {
		if k := &f.User.Keys[i]; k.ID == key {
			add(k.Revision, "key %s", k.ID)
		}
	}
	for i := range f.Memberships {
		m := &f.Memberships[i]
		add(m.Project.Revision, "project %s", m.Project.Name)
		add(m.Revision, "membership in %s", m.Project.Name)
		for _, t := range m.Topics {
			add(max(t.Revision, t.ACLRevision), "topic %s of %s", t.Name, m.Project.Name)
		}
		for _, s := range m.Subs {
			add(max(s.Revision, s.ACLRevision), "subscription %s of %s", s.Name, m.Project.Name)
		}
	}
	return all
}

// Administered returns the projects of the user; true: everything in the project concerns it.
func (u *User) Administered() map[string]bool {
	out := map[string]bool{}
	if u == nil {
		return out
	}
	for _, p := range u.Projects {
		out[p.Name] = slices.Contains(p.Roles, string(directory.RoleProjectAdmin))
	}
	return out
}

func texts[T ~string](values []T) []string {
	var all []string
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}
