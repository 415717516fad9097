package sessions

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/session"
	"usher/internal/secret"
)

// Limits of a kick.
const (
	defaultRate = 500
	maxRate     = 100_000
	maxReason   = 1024
	maxListed   = 1000 // sessions that were not closed, in a result
)

// kick closes the sessions that a caller has chosen.
func (h *Handlers) kick(r *rest.Request) (*rest.Response, error) {
	in := r.Body.(*wire.SessionKick)
	r.DryRun = in.DryRun
	f, err := h.checkKick(r, in)
	if err != nil {
		return nil, err
	}
	v := viewOf(r)
	chosen, result := h.choose(v, f)
	result.DryRun = in.DryRun
	if err := r.AuditBefore(&kickAudit{Filter: in.SessionFilter, All: in.All, Sessions: result.Sessions}); err != nil {
		return nil, err
	}
	switch n := len(chosen); {
	case in.Expected != nil && *in.Expected != n:
		return nil, apierror.OtherCount(n, *in.Expected)
	case !in.DryRun && time.Duration(n/in.Rate)*time.Second > kickTimeout/2:
		return nil, apierror.Invalid("This would take too long").WithDetails("raise the rate, or close fewer sessions at a time")
	}
	return &rest.Response{ContentType: rest.TypeLines, Stream: func(w http.ResponseWriter) error {
		lines := rest.NewLines(w)
		if in.DryRun {
			lines.Send(wire.KickLine{Result: result})
			return lines.Err()
		}
		c := closing{handlers: h, request: r, in: in, lines: lines, result: result, actor: r.Caller.Name, actorKeyID: r.Identity.KeyID}
		err := errors.Join(c.run(chosen, v), r.AuditAfter(result))
		if err != nil {
			body := r.ErrorBody(apierror.From(err)).Error
			lines.Send(wire.KickLine{Error: &body})
			r.ErrorSent = lines.Err() == nil
			return err
		}
		lines.Send(wire.KickLine{Result: result})
		return lines.Err()
	}}, nil
}

// kickAudit is what the audit says was to be closed.
type kickAudit struct {
	Filter   wire.SessionFilter `json:"filter"`
	All      bool               `json:"all,omitempty"`
	Sessions int                `json:"sessions"`
}

// checkKick checks a body, and fills in its defaults.
func (h *Handlers) checkKick(r *rest.Request, in *wire.SessionKick) (*Filter, error) {
	if isEmpty(&in.SessionFilter) != in.All {
		return nil, r.InvalidBody(errors.New("expected one filter or more; or all, alone"))
	}
	in.Reason = strings.TrimSpace(in.Reason)
	switch {
	case in.Reason == "" && !in.DryRun:
		return nil, r.InvalidBody(errors.New("reason: is missing; the audit keeps it"))
	case len(in.Reason) > maxReason || secret.Detect(in.Reason):
		return nil, r.InvalidBody(errors.New("reason: is too long, or looks like a secret"))
	case in.Rate < 0 || in.Rate > maxRate:
		return nil, r.InvalidBody(errors.New("rate: expected 1 to 100000 sessions in a second"))
	case in.Rate == 0:
		in.Rate = defaultRate
	}
	r.Change.Reason = in.Reason
	f, err := parse(&in.SessionFilter, r.Now())
	if err != nil {
		return nil, err
	}
	return f, h.asksServers(!in.DryRun)
}

// choose returns the sessions that a filter finds and that the caller may close.
func (h *Handlers) choose(v *view, f *Filter) ([]*session.Session, *wire.KickResult) {
	result := &wire.KickResult{NotClosed: []wire.NotClosed{}}
	var chosen []*session.Session
	found := map[session.ID]bool{}
	for s := range h.selected(v, f) {
		if len(f.IDs) > 0 {
			found[s.ID] = true
		}
		if v.isWhole(s) {
			chosen = append(chosen, s)
		} else {
			result.OtherGrants++
		}
	}
	for _, id := range f.IDs {
		if !found[id] {
			result.NotClosed = append(result.NotClosed, wire.NotClosed{ID: id.String(), Cause: "there is no such session"})
		}
	}
	result.Sessions = len(chosen)
	return chosen, result
}
