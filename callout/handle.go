package callout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"usher/audit"
	"usher/issuer"
	"usher/permissions"
)

// message is what the edge needs of a NATS message.
type message struct {
	data       []byte
	header     string // the server's public xkey, or empty
	maxPayload int64  // of the connection it came by; answers must fit
}

// result is what became of one message: the answer, if there is one, and
// everything that log, audit and metrics say.
type result struct {
	answer   []byte // nil: not answered
	decision Decision
	claims   *jwt.AuthorizationRequestClaims // nil: it never was a request
	id       string                          // request id
	expires  time.Time

	open, issue time.Duration
}

// handle is the way of a request from the message to the answer. ctx ends when
// the budget does.
func (s *Service) handle(ctx context.Context, m message) result {
	start := s.cfg.Now()
	r := result{id: s.cfg.NewID()}
	keys := s.cfg.Keyring()
	req, err := open(m.data, m.header, keys, start, s.cfg.Leeway)
	opened := s.cfg.Now()
	r.open = opened.Sub(start)
	if err != nil {
		r.refused(err)
		return r
	}
	r.claims = req.claims
	signer, ok := keys.Signer(req.claims.Subject)
	if !ok {
		r.decision.set(Unavailable, CodeIssuerUnknown, "the server expects answers from an issuer that is not in the keyring")
		return r
	}
	credential := CredentialOf(req.claims)
	r.decision = s.cfg.Decider.Decide(ctx, &credential)
	deriving := s.cfg.Now()
	s.answer(ctx, &r, req, signer, m)
	r.issue = s.cfg.Now().Sub(deriving)
	return r
}

func (r *result) refused(err error) {
	var f *refusal
	if !errors.As(err, &f) {
		r.decision.set(Unavailable, CodeInternal, err.Error())
		return
	}
	r.decision.set(outcomeOf(f.code), f.code, f.cause)
}

// answer makes the signed and, where the request was, sealed response.
func (s *Service) answer(ctx context.Context, r *result, req *request, signer issuer.Signer, m message) {
	to := issuer.Recipient{UserNkey: req.claims.UserNkey, ServerID: req.claims.Server.ID}
	var answer []byte
	var err error
	switch r.decision.Outcome {
	case Granted:
		answer, r.expires, err = s.cfg.Issuer.Issue(ctx, signer, to, r.decision.Identity, &r.decision.Grant)
	case Denied:
		answer, err = s.cfg.Issuer.Deny(ctx, signer, to, answerText(r.id))
	case Unavailable, Shed, Malformed:
		return
	}
	if err != nil {
		r.issueFailed(err)
		return
	}
	if req.xkey != nil {
		answer, err = req.xkey.Seal(answer, m.header, s.cfg.Random)
		if err != nil {
			r.issueFailed(err)
			return
		}
	}
	if int64(len(answer)) > m.maxPayload {
		r.decision.set(Unavailable, CodeTooLarge, fmt.Sprintf(
			"the answer has %d bytes for %d rules, the server takes %d", len(answer), len(r.decision.Grant.Rules), m.maxPayload))
		return
	}
	if ctx.Err() != nil {
		r.decision.set(Shed, CodeTooLate, "the budget ran out before the answer was ready")
		return
	}
	r.answer = answer
}

func (r *result) issueFailed(err error) {
	switch {
	case errors.Is(err, permissions.ErrInvariant):
		r.decision.set(Unavailable, CodeInvariant, err.Error())
	case errors.Is(err, issuer.ErrLapsed):
		r.decision.set(Unavailable, CodeCredentialEnded, err.Error())
	default:
		r.decision.set(Unavailable, CodeSign, err.Error())
	}
}

// answerText is all that a denial says: it goes to the server's log and to its
// auth error events, so it names no cause (DESIGN.md, decision 4).
func answerText(id string) string { return "denied, request " + id }

// maxText bounds what log and audit keep of a text that others chose.
const maxText = 256

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// event is what the audit keeps of a result.
func (r *result) event(arrival time.Time) audit.Event {
	e := audit.Event{
		Time: arrival, RequestID: r.id,
		Outcome: string(r.decision.Outcome), Code: r.decision.Code, Cause: clip(r.decision.Cause),
		User: r.decision.Identity.Name, Method: string(r.decision.Identity.Method),
		Verifier: r.decision.Verifier, KeyID: r.decision.Identity.KeyID,
		Open: r.open, Verify: r.decision.Verify, Derive: r.decision.Derive, Issue: r.issue,
	}
	if r.decision.Outcome == Granted {
		e.Account, e.Expires = r.decision.Grant.Account, r.expires
	}
	if c := r.claims; c != nil {
		// client_info.user is left out: for a token it is the token.
		e.ClientHost, e.ClientID = clip(c.ClientInformation.Host), c.ClientInformation.ID
		e.ClientKind, e.ClientType = clip(c.ClientInformation.Kind), clip(c.ClientInformation.Type)
		e.ClientName = clip(c.ClientInformation.Name)
		e.ServerID, e.ServerName, e.Issuer = clip(c.Server.ID), clip(c.Server.Name), clip(c.Subject)
	}
	return e
}

// record hands a result to metrics, audit and log. It runs after the answer
// has gone out.
func (s *Service) record(r *result, arrival time.Time, queued time.Duration) {
	total := s.cfg.Now().Sub(arrival)
	s.cfg.Metrics.Request(r.decision.Code)
	s.observe(r, queued, total)
	e := r.event(arrival)
	e.Queue, e.Total = queued, total
	s.cfg.Audit.Write(e)
	s.log.decision(&e)
}
