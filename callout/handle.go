package callout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/issuer"
	"usher/permissions"
	"usher/tokens"
)

// message is what the edge needs of a NATS message.
type message struct {
	data       []byte
	header     string // the server's public xkey, or empty
	maxPayload int64  // of the connection it came by; answers must fit
}

// limit returns how large an answer may be.
func (m *message) limit() int { return int(min(m.maxPayload, permissions.MaxAnswer)) }

// result is what became of one message: the answer, if there is one, and
// everything that log, audit and metrics say.
type result struct {
	answer   []byte          // nil: not answered
	request  *request        // nil: it never was one
	keys     *issuer.Keyring // that serves it
	decision Decision
	id       string // request id
	expires  time.Time

	opening, issuing time.Duration
}

// open reads a request, and reports whether there is anything to decide.
func (s *Service) open(j *job) bool {
	start := s.cfg.Now()
	var err error
	j.keys = s.cfg.Keyring()
	j.request, err = read(j.data, j.header, j.keys)
	if err == nil {
		err = j.request.inTime(start, s.cfg.Leeway)
	}
	j.opening = s.cfg.Now().Sub(start)
	if err != nil {
		j.refused(err)
		return false
	}
	return true
}

// verify proves where a request comes from, and learns from it. One that proves
// false is refused.
func (s *Service) verify(j *job) bool {
	start := s.cfg.Now()
	err := j.request.verify()
	j.opening += s.cfg.Now().Sub(start)
	if err != nil {
		j.refused(err)
		return false
	}
	j.verified = true
	xkey := ""
	if j.request.xkey != nil {
		xkey = j.request.xkey.PublicKey()
	}
	s.usage.Request(j.request.server(), j.request.claims.Subject, xkey, j.keys, start)
	s.ages.Observe(j.request.claims.Server.ID, j.request.claims.ClientInformation.ID, j.arrival)
	return true
}

// judge decides a request and makes the answer. ctx ends when the budget does.
// If verifiers are left to ask that can be slow, it returns those, and judgeSlow
// goes on.
func (s *Service) judge(ctx context.Context, j *job) tokens.Chain {
	if s.failures.HostExhausted(j.attempt) && !s.promising(ctx, j) {
		j.decision.set(Shed, CodeFailing, "too many attempts from this host fail")
		return nil
	}
	if !j.verified && !s.verify(j) {
		return nil
	}
	signers, ok := s.signers(j)
	if !ok {
		return nil
	}
	credential := CredentialOf(j.request.claims)
	decision, rest := s.cfg.Decider.decideFast(ctx, &credential, j.limit())
	if len(rest) > 0 {
		return rest
	}
	j.decision = decision
	s.answer(ctx, j, signers)
	return nil
}

// judgeSlow goes on where judge has stopped, and asks the first of chain, which
// can be slow. If others are left to ask that can be slow too, it returns those.
func (s *Service) judgeSlow(ctx context.Context, j *job, chain tokens.Chain) tokens.Chain {
	signers, ok := s.signers(j)
	if !ok {
		return nil
	}
	credential := CredentialOf(j.request.claims)
	decision, rest := s.cfg.Decider.decideSlow(ctx, &credential, chain, j.limit())
	decision.Verify += j.decision.Verify
	if len(rest) > 0 {
		j.decision.Verify = decision.Verify
		return rest
	}
	j.decision = decision
	s.answer(ctx, j, signers)
	return nil
}

// promising reports whether a credential will be granted something, as far as
// that can be told at once. It comes before any cryptography, for hosts and
// credentials that have failed too often: who succeeds is not held back by
// another client behind the same address, or one that has the same key and asks
// for another project.
func (s *Service) promising(ctx context.Context, j *job) bool {
	credential := CredentialOf(j.request.claims)
	decision, _ := s.cfg.Decider.decideFast(ctx, &credential, j.limit())
	return decision.Outcome == Granted && s.answerable(j, &decision)
}

// answerable reports whether a grant will be answered, as far as that is known
// before it is tried. One of which only trying shows that it is too large is not.
func (s *Service) answerable(j *job, d *Decision) bool {
	signers, ok := s.cfg.Keyring().For(j.request.claims.Subject)
	if !ok {
		return true // which is no fault of the client, and costs nothing
	}
	size, err := s.cfg.Decider.Policy.Size(d.Identity, d.Facts)
	return err == nil && size <= j.limit() && signers.Has(issuer.Place{Account: d.Grant.Account, Scope: d.Grant.Scope})
}

// signers returns what the server expects the answer from.
func (s *Service) signers(j *job) (*issuer.Signers, bool) {
	j.keys = s.cfg.Keyring() // the newest: since it was opened, it may have waited
	signers, ok := j.keys.For(j.request.claims.Subject)
	if !ok {
		j.decision.set(Unavailable, CodeIssuerUnknown, "the server expects answers from an issuer that is not in the keyring")
	}
	return signers, ok
}

func (r *result) refused(err error) {
	var f *refusal
	if !errors.As(err, &f) {
		r.decision.set(Unavailable, CodeInternal, err.Error())
		return
	}
	r.decision.set(outcomeOf(f.code), f.code, f.cause)
}

// answer makes the signed and, where the request was, sealed response. What is
// too late for it is not signed.
func (s *Service) answer(ctx context.Context, j *job, signers *issuer.Signers) {
	if ctx.Err() != nil && (j.decision.Outcome == Granted || j.decision.Outcome == Denied) {
		j.decision.set(Shed, CodeTooLate, "the budget ran out while deciding")
		return
	}
	start := s.cfg.Now()
	defer func() { j.issuing = s.cfg.Now().Sub(start) }()
	c := j.request.claims
	to := issuer.Recipient{UserNkey: c.UserNkey, ServerID: c.Server.ID}
	var answer []byte
	var err error
	switch j.decision.Outcome {
	case Granted:
		answer, j.expires, err = s.cfg.Issuer.Issue(ctx, signers, to, j.decision.Identity, &j.decision.Grant)
	case Denied:
		answer, err = s.cfg.Issuer.Deny(ctx, signers, to, answerText(j.id))
	case Unavailable, Shed, Malformed:
		return
	}
	if err == nil && j.request.xkey != nil {
		answer, err = j.request.xkey.Seal(answer, j.header, s.cfg.Random)
	}
	switch {
	case err != nil:
		j.issueFailed(err)
	case len(answer) > j.limit():
		j.decision.set(Unavailable, CodeTooLarge, fmt.Sprintf(
			"the answer has %d bytes for %d rules, the server takes %d", len(answer), len(j.decision.Grant.Rules), j.limit()))
	case ctx.Err() != nil:
		j.decision.set(Shed, CodeTooLate, "the budget ran out before the answer was ready")
	default:
		j.answer = answer
		user := ""
		if g := &j.decision.Grant; j.decision.Outcome == Granted {
			user = signers.User(issuer.Place{Account: g.Account, Scope: g.Scope})
		}
		s.usage.Answer(j.request.server(), signers.Response(), user, j.keys, start)
	}
}

func (r *result) issueFailed(err error) {
	switch {
	case errors.Is(err, permissions.ErrInvariant):
		r.decision.set(Unavailable, CodeInvariant, err.Error())
	case errors.Is(err, issuer.ErrNoSigningKey):
		r.decision.set(Unavailable, CodeNoSigningKey, err.Error())
	case errors.Is(err, issuer.ErrLapsed):
		r.decision.set(Unavailable, CodeCredentialEnded, err.Error())
	default:
		r.decision.set(Unavailable, CodeSign, err.Error())
	}
}

// answerText is all that a denial says: it goes to the server's log and to its
// auth error events, so it names no cause (DESIGN.md, decision 4).
func answerText(id string) string { return "denied, request " + id }
