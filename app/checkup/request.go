package checkup

import (
	"fmt"
	"time"

	"usher/app/checkup/operatormode"
	"usher/internal/fault"

	"usher/callout"
	"usher/callout/admission"
)

// encryption checks that requests are encrypted to an xkey of the keyring.
func (s *serverCheck) encryption(x *callout.Inspection) {
	switch {
	case x.Refusal == callout.CodePlaintext:
		s.Fail(fault.Config, "xkey", s.url, s.setXKey()+operatormode.PublicXKey(s.keys),
			"the server sends requests unencrypted, but the keyring has an xkey, so usher refuses them")
	case x.Refusal == callout.CodeXKeyUnknown:
		s.Fail(fault.Config, "xkey", s.url, "put the seed of the server's "+s.xkeyName()+" into "+s.cfg.Keyring.Dir+s.orSetXKey(),
			"the server encrypts requests to an xkey that is not in the keyring")
	case x.Refusal != "":
		s.Fail(fault.Config, "request", s.url, "", "usher would refuse the request: %s (%s)", x.Cause, x.Refusal)
	case !x.Sealed:
		s.Warn("xkey", s.url, "create one, and set "+s.xkeyName(), "requests are not encrypted: a client that can subscribe in account %s can read credentials", s.cfg.Accounts.Callout)
	default:
		s.OK("xkey", s.url, "requests are encrypted to a key of the keyring")
	}
}

// orSetXKey continues a hint with the alternative to use an xkey of the keyring; empty: it
// has none.
func (s *serverCheck) orSetXKey() string {
	if len(s.keys.XKeys()) == 0 {
		return ""
	}
	return ", or " + s.setXKey() + operatormode.PublicXKey(s.keys)
}

// issuer checks that the keyring has the issuer that the server expects.
func (s *serverCheck) issuer(x *callout.Inspection) {
	retired := retiredHint(s.keys, x.Issuer)
	switch {
	case x.Known:
		s.OK("issuer", s.url, "server %s expects %s", x.ServerName, describeIssuer(s.keys, s.cfg, x.Issuer))
	case retired != "": // its seed may be stolen
		s.Fail(fault.Config, "issuer", s.url, retired, "server %s expects answers from %s, which is retired", x.ServerName, x.Issuer)
	default:
		s.Fail(fault.Config, "issuer", s.url, s.issuerHint(),
			"server %s expects answers from %s, which is not in the keyring", x.ServerName, x.Issuer)
	}
}

// timeout compares how long the server waits for usher with the budget of usher and the
// patience of clients.
func (s *serverCheck) timeout(x *callout.Inspection) {
	budget, enough := s.cfg.Callout.Budget, s.enoughTimeout()
	setTimeout := fmt.Sprintf("set authorization.timeout to %d in the server's configuration (docs/explanation/silence.md)", enough/time.Second)
	switch {
	case x.Timeout < budget:
		s.Fail(fault.Config, "timeout", s.url, setTimeout, "the server waits about %s, less than callout.budget, %s", x.Timeout, budget)
	case x.Timeout < enough:
		s.Warn("timeout", s.url, setTimeout, "the server waits about %s; callout.budget is %s: clients can mistake a missing answer for a denial", x.Timeout, budget)
	case budget < natsGoPatience:
		s.Warn("timeout", s.url, "set callout.budget to how long clients wait for an answer",
			"the server waits about %s, and nats.go %s; callout.budget is %s: under load usher sheds clients that would still wait", x.Timeout, natsGoPatience, budget)
	case budget > natsGoPatience:
		s.OK("timeout", s.url, "the server waits about %s; callout.budget is %s, for clients that wait as long (nats.go: nats.Timeout; its default is %s)",
			x.Timeout, budget, natsGoPatience)
	default:
		s.OK("timeout", s.url, "the server waits about %s; callout.budget is %s", x.Timeout, budget)
	}
}

// enoughTimeout returns how long the server should wait, in whole seconds: until the
// last answer that usher sends, and longer than clients wait.
func (s *serverCheck) enoughTimeout() time.Duration {
	last := admission.MaxAge(s.cfg.Callout.Budget)
	return max(minTimeout, (last + time.Second - 1).Truncate(time.Second))
}

// clock compares the clock of this machine with the server's.
func (s *serverCheck) clock(x *callout.Inspection) {
	if x.Skew.Abs() > s.cfg.Callout.ClockSkew {
		s.Fail(fault.Config, "clock", s.url, "synchronise the clocks; callout.clock_skew is the maximum difference",
			"the clock of this machine differs from the server's by %s", x.Skew.Round(time.Second))
	} else {
		s.OK("clock", s.url, "less than %s apart", (x.Skew.Abs() + time.Second).Round(time.Second))
	}
}
