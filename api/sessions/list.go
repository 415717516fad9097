package sessions

import (
	"iter"
	"strconv"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/session"
)

// list lists the sessions that the caller sees.
func (h *Handlers) list(r *rest.Request) (*rest.Response, error) {
	text := filterOfQuery(r.HTTP.URL.Query())
	details, err := r.Flag(parameterDetails)
	if err != nil {
		return nil, err
	}
	f, err := parse(&text, r.Now())
	if err != nil {
		return nil, err
	}
	if err := h.asksServers(details); err != nil {
		return nil, err
	}
	v := viewOf(r)
	page, err := rest.PageOf(r, h.selected(v, f), position)
	if err != nil {
		return nil, err
	}
	out := wire.SessionList{Sessions: make([]wire.Session, 0, len(page.Items)), NextPageToken: page.Next, TotalSize: page.Total}
	if h.cfg.Live != nil {
		if err := h.cfg.Live.Ready(); err != nil {
			out.Unconfirmed = err.Error()
		}
	}
	for _, s := range page.Items {
		out.Sessions = append(out.Sessions, v.show(s))
	}
	if details {
		err = h.addDetails(r, v, page.Items, out.Sessions)
	}
	return &rest.Response{Body: out}, err
}

// selected yields the sessions of a view that a filter finds.
func (h *Handlers) selected(v *view, f *Filter) iter.Seq[*session.Session] {
	if v.project != "" {
		f.Project = v.project
	}
	return func(yield func(*session.Session) bool) {
		if h.cfg.Live == nil {
			return
		}
		for s := range h.cfg.Live.Select(f) {
			if v.matches(s, f) && !yield(s) {
				return
			}
		}
	}
}

// position is the place of a session in a list. Its name has the letters of a name of the
// directory, as a page token needs.
func position(s *session.Session) rest.Position {
	return rest.Position{Created: s.Started, Name: s.Server + "-" + strconv.FormatUint(s.ID.Client, 10)}
}

// asksServers refuses a request that needs the servers while usher cannot ask them.
func (h *Handlers) asksServers(needed bool) error {
	if !needed {
		return nil
	}
	if h.cfg.Live == nil {
		return apierror.NoSessions(nil)
	}
	if err := h.cfg.Live.Ready(); err != nil {
		return apierror.NoSessions(err)
	}
	return nil
}

// addDetails adds what the servers know about sessions that the caller sees as a whole.
func (h *Handlers) addDetails(r *rest.Request, v *view, items []*session.Session, shown []wire.Session) error {
	var ids []session.ID
	for _, s := range items {
		if v.isWhole(s) {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := h.cfg.Live.Details(r.Context(), ids)
	if err != nil {
		return apierror.NoSessions(err)
	}
	for i, s := range items {
		if !shown[i].OtherGrants {
			shown[i].Details = found[s.ID]
		}
	}
	return nil
}

// show returns one session with the reasons for its grant.
func (h *Handlers) show(r *rest.Request) (*rest.Response, error) {
	id, err := session.ParseID(r.Var(rest.VarSession))
	if err != nil {
		return nil, apierror.InvalidReference(rest.VarSession, apierror.SessionShape)
	}
	v := viewOf(r)
	s, ok := h.find(id)
	if !ok || !v.has(s) {
		return nil, apierror.NotFound(apierror.Session)
	}
	out := wire.SessionExplained{Session: v.show(s)}
	if !v.isWhole(s) || s.Adopted {
		return &rest.Response{Body: out}, nil
	}
	x, err := h.cfg.Live.Explain(r.Context(), s, v.only())
	if err != nil {
		return nil, err
	}
	out.Was, out.Now, out.Lost, out.Gained = x.Was, x.Now, x.Lost, x.Gained
	shown := []wire.Session{out.Session}
	if h.cfg.Live.Ready() == nil {
		if err := h.addDetails(r, v, []*session.Session{s}, shown); err != nil {
			return nil, err
		}
	}
	out.Session = shown[0]
	return &rest.Response{Body: out}, nil
}

func (h *Handlers) find(id session.ID) (*session.Session, bool) {
	if h.cfg.Live == nil {
		return nil, false
	}
	return h.cfg.Live.Find(id)
}
