package callout

import (
	"context"
	"errors"
	"fmt"

	"usher/issuer"
	"usher/permissions"
)

// issue makes the signed answer to a grant or a denial. It signs nothing once the
// budget has run out.
func (s *Service) issue(ctx context.Context, x *exchange) bool {
	if ctx.Err() != nil {
		return x.end(Shed, CodeTooLate, "the budget ran out while deciding")
	}
	if !s.findSigners(x) { // the keyring may have changed while a verifier waited
		return false
	}
	c := x.request.claims
	to := issuer.Recipient{UserNkey: c.UserNkey, ServerID: c.Server.ID, Until: x.decision.Until}
	var err error
	if x.decision.Outcome == Granted {
		x.answer, x.expires, err = s.cfg.Issuer.Issue(ctx, x.signers, to, x.decision.Identity, &x.decision.Grant)
	} else {
		x.answer, err = s.cfg.Issuer.Deny(ctx, x.signers, to, denialText(x.id))
	}
	if err != nil {
		return x.notIssued(err)
	}
	return true
}

// seal encrypts the answer if the request was sealed, and checks its size.
func (s *Service) seal(ctx context.Context, x *exchange) bool {
	if x.request.xkey != nil {
		sealed, err := x.request.xkey.Seal(x.answer, x.header, s.cfg.Random)
		if err != nil {
			return x.notIssued(err)
		}
		x.answer = sealed
	}
	switch {
	case len(x.answer) > x.limit():
		return x.end(Unavailable, CodeTooLarge, fmt.Sprintf(
			"the answer has %d bytes for %d rules, the server takes %d", len(x.answer), len(x.decision.Grant.Rules), x.limit()))
	case ctx.Err() != nil:
		return x.end(Shed, CodeTooLate, "the budget ran out before the answer was ready")
	}
	userKey := ""
	if g := &x.decision.Grant; x.decision.Outcome == Granted {
		userKey = x.signers.User(issuer.Place{Account: g.Account, Scope: g.Scope})
	}
	s.usage.Answer(x.request.server(), x.signers.Response(), userKey, x.keys, x.steps[stepIssue].start)
	return true
}

// respond sends the answer of a request, if it has one, and gives its slots back. The
// slot of the window stays taken until the server has processed the answer.
func (s *Service) respond(_ context.Context, x *exchange) bool {
	if x.holding.cpu {
		s.releaseCPU()
	}
	w := x.conn.window
	if x.answer != nil {
		err := x.message.Respond(x.answer)
		if err == nil {
			if !x.holding.window {
				w.ForceAcquire()
			}
			w.Sent()
			return true
		}
		x.end(Unavailable, CodeReply, err.Error())
	}
	if x.holding.window {
		w.Release()
	}
	return false
}

// notIssued ends a request whose answer could not be made.
func (x *exchange) notIssued(err error) bool {
	code := CodeSign
	switch {
	case errors.Is(err, permissions.ErrInvariant):
		code = CodeInvariant
	case errors.Is(err, issuer.ErrNoSigningKey):
		code = CodeNoSigningKey
	case errors.Is(err, issuer.ErrCredentialExpired):
		code = CodeCredentialEnded
	}
	return x.end(Unavailable, code, err.Error())
}

// denialText is the text of a denial. nats-server writes it to its log and its auth
// error events, so it gives no cause. The audit has the cause, under the same
// request id.
func denialText(id string) string { return "denied, request " + id }
