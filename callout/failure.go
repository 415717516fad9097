package callout

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
