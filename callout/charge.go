package callout

// charged reports whether a decision counts as a failure of the host and of the
// credential that asked: every denial does, and so does all that costs work, ends
// without a grant and would end so again. What ends so because a backend, a server
// or a key of the service is away is not theirs: the next attempt may well succeed,
// and only trying shows that.
func charged(d *Decision) bool {
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
