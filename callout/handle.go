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

// message is the part of a NATS message that a request needs.
type message struct {
	data       []byte
	header     string // the server's public xkey, or empty
	maxPayload int64  // of the connection on which it was received
}

// limit returns the maximum size of an answer in bytes.
func (m *message) limit() int { return int(min(m.maxPayload, permissions.MaxAnswer)) }

// result is the result of one message: the answer, and what log, audit and metrics
// record.
type result struct {
	answer   []byte          // nil: not answered
	request  *request        // nil: the message is not a request
	keys     *issuer.Keyring // that serves the request
	decision Decision
	id       string // request id
	expires  time.Time

	opening, issuing time.Duration
}

// open unseals and parses a request, and reports whether it can be decided.
func (s *Service) open(j *job) bool {
	start := s.cfg.Now()
	var err error
	j.keys = s.cfg.Keyring()
	j.request, err = read(j.data, j.header, j.keys)
	if err == nil {
		err = j.request.checkTimes(start, s.cfg.Leeway)
	}
	j.opening = s.cfg.Now().Sub(start)
	if err != nil {
		j.refuse(err)
		return false
	}
	return true
}

// authenticateServer verifies that a request comes from the server it names, and
// counts it. It refuses a request that does not.
func (s *Service) authenticateServer(j *job) bool {
	start := s.cfg.Now()
	err := j.request.authenticate()
	j.opening += s.cfg.Now().Sub(start)
	if err != nil {
		j.refuse(err)
		return false
	}
	j.authenticated = true
	s.usage.Request(j.request.server(), j.request.claims.Subject, j.request.publicXKey(), j.keys, start)
	s.connectTimes.Observe(j.request.claims.Server.ID, j.request.claims.ClientInformation.ID, j.arrival)
	return true
}

// decide decides a request and issues the answer. ctx ends when the budget does.
// If slow verifiers remain, it returns those for decideSlow.
func (s *Service) decide(ctx context.Context, j *job) tokens.Chain {
	if s.failures.HostExhausted(j.attempt) && !s.wouldGrant(ctx, j) {
		j.decision.set(Shed, CodeFailing, "too many attempts from this host fail")
		return nil
	}
	if !j.authenticated && !s.authenticateServer(j) {
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
	s.issue(ctx, j, signers)
	return nil
}

// decideSlow continues decide with the first verifier of chain, which can be slow.
// If further slow verifiers remain, it returns those.
func (s *Service) decideSlow(ctx context.Context, j *job, chain tokens.Chain) tokens.Chain {
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
	s.issue(ctx, j, signers)
	return nil
}

// wouldGrant reports whether the request will be granted, as far as the fast
// verifiers can tell. It is for hosts and credentials that have failed too often,
// and comes before all cryptography. It keeps their failures from blocking others:
// clients behind the same address, or with the same key and another project.
func (s *Service) wouldGrant(ctx context.Context, j *job) bool {
	credential := CredentialOf(j.request.claims)
	decision, _ := s.cfg.Decider.decideFast(ctx, &credential, j.limit())
	return decision.Outcome == Granted && s.canAnswer(j, &decision)
}

// canAnswer reports whether a grant can be issued, without issuing it. The size is
// an upper bound, so it rejects some grants that are just small enough.
func (s *Service) canAnswer(j *job, d *Decision) bool {
	signers, ok := s.cfg.Keyring().For(j.request.claims.Subject)
	if !ok {
		return true // not the client's fault, and cheap
	}
	size, err := s.cfg.Decider.Policy.Size(d.Identity, d.Facts)
	return err == nil && size <= j.limit() && signers.Has(issuer.Place{Account: d.Grant.Account, Scope: d.Grant.Scope})
}

// signers returns the signers of the issuer that the server expects.
func (s *Service) signers(j *job) (*issuer.Signers, bool) {
	j.keys = s.cfg.Keyring() // may have changed while the request was queued
	signers, ok := j.keys.For(j.request.claims.Subject)
	if !ok {
		j.decision.set(Unavailable, CodeIssuerUnknown, "the server expects answers from an issuer that is not in the keyring")
	}
	return signers, ok
}

// refuse sets the decision for an error of open or authenticateServer.
func (r *result) refuse(err error) {
	var f *refusal
	if !errors.As(err, &f) {
		r.decision.set(Unavailable, CodeInternal, err.Error())
		return
	}
	r.decision.set(outcomeOf(f.code), f.code, f.cause)
}

// issue makes the signed answer, sealed if the request was. It signs nothing once
// the budget has run out.
func (s *Service) issue(ctx context.Context, j *job, signers *issuer.Signers) {
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
		answer, err = s.cfg.Issuer.Deny(ctx, signers, to, denialText(j.id))
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
		userKey := ""
		if g := &j.decision.Grant; j.decision.Outcome == Granted {
			userKey = signers.User(issuer.Place{Account: g.Account, Scope: g.Scope})
		}
		s.usage.Answer(j.request.server(), signers.Response(), userKey, j.keys, start)
	}
}

func (r *result) issueFailed(err error) {
	switch {
	case errors.Is(err, permissions.ErrInvariant):
		r.decision.set(Unavailable, CodeInvariant, err.Error())
	case errors.Is(err, issuer.ErrNoSigningKey):
		r.decision.set(Unavailable, CodeNoSigningKey, err.Error())
	case errors.Is(err, issuer.ErrCredentialExpired):
		r.decision.set(Unavailable, CodeCredentialEnded, err.Error())
	default:
		r.decision.set(Unavailable, CodeSign, err.Error())
	}
}

// denialText is the text of a denial. nats-server writes it to its log and its auth
// error events, so it gives no cause. The audit has the cause, under the same
// request id.
func denialText(id string) string { return "denied, request " + id }
