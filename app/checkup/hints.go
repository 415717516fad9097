package checkup

import (
	"cmp"
	"time"

	"usher/app/checkup/operatormode"
	"usher/internal/fault"

	"github.com/nats-io/jwt/v2"

	"usher/callout"
	"usher/issuer"
)

// The hints differ by mode. In config mode the settings are in the server's configuration,
// in operator mode in the JWT of the callout account.

// inAccountJWT ends the name of a setting in the JWT of the callout account.
func (s *serverCheck) inAccountJWT() string { return " in the JWT of " + s.cfg.Accounts.Callout }

// authUserHint says how the service user becomes one that the server accepts without usher.
func (s *serverCheck) authUserHint() string {
	if s.keys.Operator() {
		return "the service user must be one of authorization.auth_users" + s.inAccountJWT()
	}
	return "the service user must be in the server's configuration and in auth_callout.auth_users"
}

// accountHint says which account the service user must be in.
func (s *serverCheck) accountHint() string {
	if s.keys.Operator() {
		return "nats.creds_file must be of a user of accounts.callout, and keyring.yaml must have the public key of that account"
	}
	return "accounts.callout, auth_callout.account and the account of the service user must be the same"
}

// xkeyName returns the name of the setting for the xkey.
func (s *serverCheck) xkeyName() string {
	if s.keys.Operator() {
		return "authorization.xkey" + s.inAccountJWT()
	}
	return "auth_callout.xkey"
}

// setXKey begins a hint that ends with a public xkey.
func (s *serverCheck) setXKey() string {
	if s.keys.Operator() {
		return "nsc edit authcallout -a " + s.cfg.Accounts.Callout + " --curve "
	}
	return "set auth_callout.xkey to "
}

// issuerHint says how the server and the keyring agree on an issuer.
func (s *serverCheck) issuerHint() string {
	if s.keys.Operator() {
		return "the sentinel has to be a user of " + s.cfg.Accounts.Callout + ", whose public key keyring.yaml states"
	}
	return "put its seed into " + s.cfg.Keyring.Dir + ", or set auth_callout.issuer to " + issuerInUse(s.keys)
}

// retiredHint returns the hint for a server that expects a retired issuer; empty: the
// keyring does not have it as retired.
func retiredHint(keys *issuer.Keyring, public string) string {
	for _, k := range keys.Keys() {
		if k.Kind != issuer.KindIssuer || k.PublicKey != public || k.State != issuer.StateRetired {
			continue
		}
		on := ""
		if !k.Since.IsZero() {
			on = " on " + k.Since.UTC().Format(time.DateOnly)
		}
		return "was retired" + on + "; set auth_callout.issuer to " + issuerInUse(keys) + " and restart the server"
	}
	return ""
}

// issuerInUse returns the issuer that servers should expect, which is the one that became
// active last.
func issuerInUse(keys *issuer.Keyring) string {
	var last issuer.Key
	for _, k := range keys.Keys() {
		if _, ok := keys.Signer(k.PublicKey); ok && k.State == issuer.StateActive && !k.Since.Before(last.Since) {
			last = k
		}
	}
	return cmp.Or(last.PublicKey, "PUBLIC_KEY")
}

// accountName returns the name of an account and, in operator mode, its public key, which
// is the name that servers use.
func (s *serverCheck) accountName(account string) string {
	for _, a := range s.keys.Accounts() {
		if a.PublicKey == account {
			return a.Name + " (" + account + ")"
		}
	}
	return account
}

// hintNotAsked sets the hint of the last finding if a server in operator mode did not ask
// usher about the probe.
func (s *serverCheck) hintNotAsked() {
	last := len(*s.List) - 1
	if last < 0 || !s.keys.Operator() || (*s.List)[last].Kind != fault.Config {
		return
	}
	const bearer = "a server asks usher only about clients that present a sentinel, a bearer user of "
	if s.cfg.NATS.SentinelCredsFile == "" {
		(*s.List)[last].Hint = bearer + s.cfg.Accounts.Callout + "; set default_sentinel in the servers' configuration to its user JWT, or nats.sentinel_creds_file to its credentials"
		return
	}
	(*s.List)[last].Hint = bearer + s.cfg.Accounts.Callout + ", and only if that account has external authorization; the sentinel and callout findings give the cause"
}

// defaultSentinel checks the sentinel of a request, unless it is that of
// nats.sentinel_creds_file, which has been checked.
func (s *serverCheck) defaultSentinel(x *callout.Inspection) {
	if s.operator == nil || x.Sentinel == "" {
		return
	}
	c, err := jwt.DecodeUserClaims(x.Sentinel)
	if err != nil {
		s.Fail(fault.Config, "sentinel", s.url, "set default_sentinel in the server's configuration to the user JWT of a bearer", "%v", err)
		return
	}
	if file, err := operatormode.UserOf(s.cfg.NATS.SentinelCredsFile); err == nil && file.ID == c.ID {
		return
	}
	s.operator.Sentinel(s.url+" (default_sentinel)", c)
}
