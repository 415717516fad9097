package sessions

import (
	"slices"
	"strings"
	"time"

	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/session"
)

// view says what a caller may see and close.
type view struct {
	project string    // of the path; empty: every session
	created time.Time // of the project; a session that is older belongs to another one of its name
	limited bool      // the caller is only an administrator of the project
}

func viewOf(r *rest.Request) *view {
	v := &view{project: r.Var(rest.VarProject), limited: !r.ByServiceRole()}
	if p, ok := r.Snapshot.Project(v.project); ok {
		v.created = p.Made.Created
	}
	return v
}

// has reports whether the view contains a session.
func (v *view) has(s *session.Session) bool {
	return v.project == "" || slices.Contains(s.Projects(), v.project) && !s.Started.Before(v.created)
}

// isWhole reports whether the caller may see all of a session, and close it.
func (v *view) isWhole(s *session.Session) bool {
	return !v.limited || s.Grant.OnlyIn(v.project)
}

// only returns the only project that an explanation may be about; empty: it may be about
// everything.
func (v *view) only() string {
	if v.limited {
		return v.project
	}
	return ""
}

// matches reports whether a session, which matches the filter, may be found by it: a filter
// on what the caller does not see must not tell it.
func (v *view) matches(s *session.Session, f *Filter) bool {
	if !v.has(s) {
		return false
	}
	return f.Key == "" && f.Method == "" && f.Subject == "" || v.isWhole(s)
}

// show returns a session as the caller sees it.
func (v *view) show(s *session.Session) wire.Session {
	out := wire.Session{
		ID: s.String(), User: s.Identity.Name, Account: s.Grant.Account, Projects: rest.Strings(s.Projects()),
		Server: s.Server, ServerName: s.ServerName, StartedOn: wire.Time(s.Started), ExpiresOn: wire.Time(s.Ends()), Adopted: s.Adopted,
	}
	if s.Addr.IsValid() {
		out.ClientHost = s.Addr.String()
	}
	if !v.isWhole(s) {
		out.OtherGrants, out.Projects = true, []string{v.project}
		return out
	}
	out.Authority, out.IdentityID, out.Method = string(s.Identity.Authority), s.Identity.ID, string(s.Identity.Method)
	out.Key = s.Identity.KeyID
	if !v.limited { // names of the configuration, which may tell about other projects
		out.Rules, out.Profile, out.RequestID = s.Rules, s.Profile, s.RequestID
	}
	out.ClientName, out.ClientType = s.Client.Name, s.Client.Type
	if out.ClientType == "" {
		out.ClientType = strings.ToLower(s.Client.Kind)
	}
	out.ClientVersion = strings.TrimSpace(s.Client.Lang + " " + s.Client.Version)
	return out
}
