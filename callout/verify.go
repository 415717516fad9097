package callout

import "context"

// authenticate verifies that a request comes from the server that it names, and that
// the keyring can answer it.
func (s *Service) authenticate(_ context.Context, x *exchange) bool {
	if err := x.request.authenticate(); err != nil {
		return x.endWith(err)
	}
	x.authenticated = true
	c := x.request.claims
	s.usage.Request(x.request.server(), c.Subject, x.request.publicXKey(), x.keys, x.steps[stepAuthenticate].start)
	s.connectTimes.Observe(c.Server.ID, c.ClientInformation.ID, x.arrival)
	return s.findSigners(x)
}

// findSigners finds the signers of the issuer that the server expects, in the current
// keyring.
func (s *Service) findSigners(x *exchange) (ok bool) {
	x.keys = s.cfg.Keyring()
	if x.signers, ok = x.keys.For(x.request.claims.Subject); !ok {
		x.end(Unavailable, CodeIssuerUnknown, "the server expects answers from an issuer that is not in the keyring")
	}
	return ok
}
