package why

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/auditlog"
	"usher/app/config"
	"usher/app/explanation"
	"usher/app/inquiry"
	"usher/callout"
	"usher/cmd/usher/remote"
)

// connect prepares requests over the API, if the command line or a context names one.
func (a *asker) connect() {
	a.api, a.noAPI = remote.Connect(a.cli)
}

// States of what a request has granted.
const (
	stateLive     = "live"
	stateClosed   = "closed"  // usher closed it
	stateRefused  = "refused" // the server did not accept it
	stateEnded    = "ended"   // the client left, or its user JWT ended
	stateNotKnown = "not_known"
)

// session finds what became of the connection that the request has granted.
func (a *asker) session(ctx context.Context, main *auditlog.Event) {
	if main.Kind != auditlog.KindDecision || main.Outcome != string(callout.Granted) {
		return
	}
	s := &sessionReport{State: stateNotKnown}
	a.report.Session = s
	switch e := a.trail.Closed(); {
	case e != nil:
		s.State, s.Text = stateClosed, "usher closed it at "+remote.FormatTime(e.Time)+": "+closedBecause(e)
		return
	case a.trail.Refused() != nil:
		s.State, s.Text = stateRefused, "the server did not accept the user JWT: "+a.trail.Refused().Cause
		return
	case !main.Expires.IsZero() && main.Expires.Before(a.now):
		s.State, s.Text = stateEnded, "its user JWT ended at "+remote.FormatTime(main.Expires)
		return
	case a.api == nil:
		s.Text = "not known without the API"
		a.missing("live sessions: %s", withHint(a.noAPI))
		return
	}
	if err := a.live(ctx, main, s); err != nil {
		s.Text = "not known"
		a.missing("live sessions: %s", err)
	}
}

func closedBecause(e *auditlog.Event) string {
	text := e.Code
	if e.Cause != "" {
		text += ", " + e.Cause
	}
	if e.Actor != "" {
		text += ", by " + e.Actor
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// live asks the API for the session.
func (a *asker) live(ctx context.Context, main *auditlog.Event, s *sessionReport) error {
	all, err := a.api.API.Sessions(ctx, "", &wire.SessionFilter{Account: main.Account}, false)
	if err != nil {
		return err
	}
	for i := range all.Sessions {
		if all.Sessions[i].RequestID != a.report.RequestID {
			continue
		}
		s.State, s.Session = stateLive, &wire.SessionExplained{Session: all.Sessions[i]}
		if x, err := a.api.API.Session(ctx, "", all.Sessions[i].ID); err == nil { // it may have ended just now
			s.Session = x
		}
		s.Text = "live: usher session show " + s.Session.ID
		if all.Unconfirmed != "" {
			s.Text = "live, unless it has ended: usher cannot ask the servers: " + all.Unconfirmed
		}
		return nil
	}
	if all.Unconfirmed != "" {
		s.Text = "not among the sessions that usher knows; it cannot ask the servers: " + all.Unconfirmed
		return nil
	}
	s.State, s.Text = stateEnded, "no server has the connection any more: the client has left, or was granted again under another request id"
	return nil
}

// directory reads what the directory has now for the user of a decision.
func (a *asker) directory(ctx context.Context, main *auditlog.Event) {
	if main.Kind != auditlog.KindDecision {
		return
	}
	if !inquiry.HasState(main) {
		if main.Outcome != string(callout.Granted) || main.User != "" {
			a.missing("what would be decided now: that needs the credential: usher explain -c FILE --token-file FILE, or usher try")
		}
		return
	}
	if a.config != nil {
		err := a.ownDirectory(ctx, main)
		if err == nil {
			return
		}
		a.missing("the directory: %s", withHint(err))
	}
	if a.api == nil {
		if a.config == nil {
			a.missing("the directory: name the configuration with -c FILE, or the API with --server URL")
		}
		return
	}
	if err := a.remoteDirectory(ctx, main); err != nil {
		a.missing("the directory: %s", err)
	}
}

// ownDirectory reads the directory that the configuration names.
func (a *asker) ownDirectory(ctx context.Context, main *auditlog.Event) error {
	c := *a.cli
	c.Context = ctx
	p, stop, err := a.open(&c, a.config)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("it did not arrive in time; usher check tells why")
		}
		return err
	}
	defer stop()
	s := inquiry.StateOf(p.ExplanationInputs(), p.Store.Snapshot(), main)
	d := &a.config.Directory
	s.Source = "bucket " + d.Bucket
	if d.From == config.DirectoryFile {
		s.Source = d.File
		if info, err := os.Stat(d.File); err == nil {
			s.FileChanged = info.ModTime().UTC()
		}
	}
	a.report.Directory = s
	return nil
}

// remoteDirectory asks the API for the user.
func (a *asker) remoteDirectory(ctx context.Context, main *auditlog.Event) error {
	s := &inquiry.State{Source: a.api.API.Server()}
	u, _, err := a.api.API.User(ctx, main.User)
	var refused *client.Error
	switch {
	case errors.As(err, &refused) && refused.Code == http.StatusNotFound:
		a.report.Directory = s
		return nil
	case err != nil:
		return err
	}
	s.User = &inquiry.User{Name: u.Name, Enabled: u.Enabled, ServiceRoles: u.ServiceRoles}
	for _, p := range u.Projects {
		s.User.Projects = append(s.User.Projects, inquiry.Project{Name: p.Project, Roles: p.Roles})
	}
	a.report.Directory = s
	answer, err := a.api.API.Permissions(ctx, main.User, "")
	if err != nil {
		return err
	}
	s.Decision = &explanation.Explanation{}
	if err := json.Unmarshal(answer, s.Decision); err != nil {
		return fmt.Errorf("%w: %w", client.ErrResponse, err)
	}
	return nil
}

// verdict says what would be decided now.
func verdict(main *auditlog.Event, s *inquiry.State) string {
	switch x, k := s.Decision, s.Key; {
	case s.User == nil:
		return fmt.Sprintf("denied: the directory has no user %s", main.User)
	case k != nil && !k.Exists:
		return fmt.Sprintf("denied: %s has no key %s any more", main.User, k.ID)
	case k != nil && k.Code != "":
		return fmt.Sprintf("denied (%s): %s", k.Code, k.Cause)
	case x == nil:
		return ""
	case x.Code == callout.CodeAmbiguous:
		return "it depends on the project that the client selects: usher user permissions --project P " + main.User
	case x.Outcome != callout.Granted:
		return fmt.Sprintf("%s (%s): %s", x.Outcome, x.Code, x.Cause)
	case k == nil && x.NoKey != "":
		return "denied: " + x.NoKey
	case k == nil:
		return fmt.Sprintf("a valid key of %s is granted, in account %s", main.User, x.Grant.Account)
	default:
		return fmt.Sprintf("granted, in account %s", x.Grant.Account)
	}
}

// since says how the directory of then differs from that of now.
func since(main *auditlog.Event, s *inquiry.State, changes int) string {
	switch {
	case s.Same:
		return fmt.Sprintf("nothing has changed: it still has revision %d", s.Revision)
	case changes > 0:
		return ""
	case len(s.Newer) > 0 && s.Audited:
		return "the audit has no change of it, and these were written since"
	case len(s.Newer) > 0:
		return "these entries were written since"
	case s.Compared && !s.Audited:
		return fmt.Sprintf("no entry of %s was written since; the audit would say whether one was removed", main.User)
	case s.Compared:
		return fmt.Sprintf("the entries of %s are as they were then", main.User)
	case !s.FileChanged.IsZero() && s.FileChanged.After(main.Time):
		return "the file was written since, at " + s.FileChanged.Format(time.RFC3339) + "; the audit has no changes of a file"
	case !s.FileChanged.IsZero():
		return "as it was then: the file was written before, at " + s.FileChanged.Format(time.RFC3339)
	case s.Audited:
		return fmt.Sprintf("the audit has no change that concerns %s", main.User)
	default:
		return "not known without the audit"
	}
}
