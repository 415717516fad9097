package callout

import (
	"context"

	"usher/callout/session"
	"usher/permissions"
	"usher/tokens"
)

// When nats-server 2.15 in operator mode is reloaded, it asks again about every connection,
// one after the other. Such a request has the name of the user JWT in place of the user
// name, and no auth_token. A new client can send the same, so only the number of the
// connection tells: the registry has the session that was granted to it.

// again is what is known of a request about a connection that has a session.
type again struct {
	session *session.Session // nil: the request does not name one
	follows *session.Session // of the connection, also if the request names another one: a client may send CONNECT twice
	alone   bool             // the request does not have the credential of the session
	decided bool             // by the session
}

// findAgain finds the session of a request that names it.
func (s *Service) findAgain(x *exchange) {
	if s.cfg.Sessions == nil {
		return
	}
	live, ok := s.cfg.Sessions.Find(x.connection())
	if !ok {
		return
	}
	x.again.follows = live
	c := &x.credential
	if c.User == "" || c.AuthToken != "" && c.AuthToken != c.User { // leaf nodes: the server copies it
		return
	}
	if c.User == permissions.JWTName(live.Identity, live.Grant.Scope) {
		x.again.session = live
		x.again.alone = live.Adopted && c.Password == "" && c.NKey == "" || !live.Adopted && !c.MayBe(live.Identity.Method)
	}
}

// presentsAnother reports whether a request was denied because it has something else in
// place of the token of the session. Only a denial that cost no wait tells: everything else
// is the last word about what is presented.
func (s *Service) presentsAnother(x *exchange) bool {
	d, was := &x.decision, &x.again.session.Identity
	_, slow := s.waiting[d.Verifier]
	isToken := (&tokens.Credential{Password: "any"}).MayBe(was.Method)
	return d.Outcome == Denied && !slow && isToken && !x.again.session.Adopted
}

// decideBeside decides by the session after what is presented was refused. It is a failure
// as any other, or keys could be guessed for free in a session of one's own; but not at each
// reload, which has the same password again, nor if the session ends with it.
func (s *Service) decideBeside(x *exchange) {
	refused, was := x.decision, x.again.session
	s.decideAgain(x)
	if x.decision.Outcome != Granted || was.Digest != [32]byte{} && x.credential.DigestToKeep(&was.Identity) == was.Digest {
		return
	}
	x.decision.Cause = "the session goes on, but what was presented was refused: " + refused.Cause
	if s.beside.Note(x.connection(), x.credential.Password) {
		s.failuresAt(refused.Verifier).Record(x.attempt)
	}
}

// noteBeside notes a password that a client has besides its token, and that its server will
// present in place of the token.
func (s *Service) noteBeside(x *exchange) {
	if c := &x.credential; x.again.session == nil && c.Password != "" && c.Password != c.Token() {
		s.beside.Note(x.connection(), c.Password)
	}
}

// deriveAgain decides by the session if a credential is good, and lacks only the selection
// that the session has.
func (s *Service) deriveAgain(x *exchange) bool {
	if x.again.session == nil || x.decision.Code != CodeAmbiguous && x.decision.Code != CodeAmbiguousScope {
		return false
	}
	id, was := &x.decision.Identity, &x.again.session.Identity
	if id.Name != was.Name || id.Authority != was.Authority || !id.SameKey(was) {
		return false
	}
	s.decideAgain(x)
	return true
}

// decideAgain decides by the session. What nobody knows is denied, although it cannot be
// decided: nats-server closes the connection in either case, with the same error, but while
// it waits for an answer it serves no one else.
func (s *Service) decideAgain(x *exchange) {
	x.again.decided = true
	d := s.cfg.Decider
	c := tokens.Credential{Host: x.credential.Host, Connection: x.credential.Connection, Client: x.credential.Client}
	x.decision = d.reconsider(x.again.session, &c, d.Snapshot(), x.limit())
	if x.again.session.Adopted {
		x.decision.set(Denied, CodeSessionUnknown, x.decision.Cause)
	}
}

// verify finds the identity of the credential.
func (s *Service) verify(ctx context.Context, x *exchange) bool {
	if !x.again.alone {
		x.gate = gate{s, x}
		x.decision = s.cfg.Decider.verify(ctx, &x.credential, &x.gate)
	}
	if x.again.session != nil && (x.again.alone || x.decision.Code == CodeFailing) {
		s.decideAgain(x)
		return x.decision.Outcome == Granted
	}
	if x.again.session != nil && s.presentsAnother(x) {
		s.decideBeside(x)
		return x.decision.Outcome == Granted
	}
	return x.decision.Outcome == ""
}

// derive finds the grant of the identity.
func (s *Service) derive(_ context.Context, x *exchange) bool {
	granted := x.again.decided || s.cfg.Decider.derive(&x.decision, &x.credential, x.limit()) || s.deriveAgain(x) && x.decision.Outcome == Granted
	return granted && s.reserve(x)
}
