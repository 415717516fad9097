package callout

import (
	"context"

	"usher/callout/ratelimit"
	"usher/issuer"
	"usher/tokens"
)

// withinCredentialLimit reports whether a request may go on: its credential has not
// failed too often, or the request will be granted. It ends the request otherwise.
func (s *Service) withinCredentialLimit(x *exchange) bool {
	return s.withinLimit(x, (*ratelimit.Failures).CredentialExhausted, "this credential fails too often")
}

// withinHostLimit is withinCredentialLimit for the host. Requests of the same host may
// have failed while this one waited, so it is asked when the request leaves the queue.
func (s *Service) withinHostLimit(x *exchange) bool {
	return s.withinLimit(x, (*ratelimit.Failures).HostExhausted, "too many attempts from this host fail")
}

// LimitFailures sets how many failed attempts a second one host, and one credential, may have; 0: any
// number. Those that were counted before are forgotten,
// if it is another number.
func (s *Service) LimitFailures(perHost, perCredential float64) {
	s.failures.Limit(perHost, perCredential, 0)
}

// withinLimit lets a request go on unless the failures are exhausted at the verifier that
// would refuse it, or that would have to wait to know. A live session is then decided without
// what is presented: the server serves nobody else until it has an answer.
func (s *Service) withinLimit(x *exchange, exhausted func(*ratelimit.Failures, ratelimit.Attempt) bool, cause string) bool {
	if x.again.alone { // a session fails no more often than its server asks
		return true
	}
	failing := exhausted(s.failures, x.attempt)
	for _, slots := range s.waiting {
		failing = failing || exhausted(slots.Failures(), x.attempt)
	}
	if !failing {
		return true
	}
	verifier, ok := s.wouldGrant(x)
	if ok || !exhausted(s.failuresAt(verifier), x.attempt) {
		return true
	}
	x.again.alone = x.again.session != nil
	return x.again.alone || x.end(Shed, CodeFailing, cause)
}

// wouldGrant reports whether a request will be granted, as far as that can be told
// without waiting and without cryptography, and the verifier that says so or would have to
// wait. It is for hosts and credentials that have failed too often. It keeps their
// failures from blocking others: clients behind the same address, or with the same key and
// another project.
func (s *Service) wouldGrant(x *exchange) (verifier string, ok bool) {
	d := s.cfg.Decider.verify(context.Background(), &x.credential, tokens.NoWait{})
	return d.Verifier, s.cfg.Decider.derive(&d, &x.credential, x.limit()) && s.canIssue(x, &d) && s.hasPlace(x, &d)
}

// canIssue reports whether a grant can be issued, without issuing it. The size is an
// upper bound, so it rejects some grants that are just small enough.
func (s *Service) canIssue(x *exchange, d *Decision) bool {
	signers, ok := s.cfg.Keyring().For(x.request.claims.Subject)
	if !ok {
		return true // not the client's fault, and cheap
	}
	size, err := d.Ruleset.Policy.Size(d.Identity, d.Facts)
	return err == nil && size <= x.limit() && signers.Has(issuer.Place{Account: d.Grant.Account, Scope: d.Grant.Scope})
}

// countsAsFailure reports whether a decision counts against the rate of failures of
// the host and the credential. Every denial does. Unavailable does if it costs work
// and the same request would end the same way again. It does not if a backend, a
// server or a key of the service is missing: the next attempt may succeed.
func countsAsFailure(d *Decision) bool {
	if d.Outcome != Unavailable {
		return d.Outcome == Denied
	}
	switch d.Code {
	case CodeTooLarge, CodeInvariant, CodeNoAccount, CodeNoSigningKey, CodeUnreadable, CodeCredentialEnded, CodeInternal:
		return true
	default:
		return false
	}
}
