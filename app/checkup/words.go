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

// What is mended where differs: config mode has lines in the server's
// configuration, operator mode has the JWT of the callout account.

// inAccountJWT ends the name of something that the callout account's JWT holds.
func (s *serverCheck) inAccountJWT() string { return " in the JWT of " + s.cfg.Accounts.Callout }

func (s *serverCheck) authUserHint() string {
	if s.keys.Operator() {
		return "the service user must be one of authorization.auth_users" + s.inAccountJWT()
	}
	return "the service user must be in the server's configuration and in auth_callout.auth_users"
}

func (s *serverCheck) accountHint() string {
	if s.keys.Operator() {
		return "nats.creds_file must be of a user of accounts.callout, and keyring.yaml must have the public key of that account"
	}
	return "accounts.callout, auth_callout.account and the account of the service user must be the same"
}

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

func (s *serverCheck) issuerHint() string {
	if s.keys.Operator() {
		return "the sentinel has to be a user of " + s.cfg.Accounts.Callout + ", whose public key keyring.yaml states"
	}
	return "put its seed into " + s.cfg.Keyring.Dir + ", or set auth_callout.issuer to " + issuerInUse(s.keys)
}

// retiredHint says what to do about a server that expects an issuer which was
// retired. Empty: it was not, or it is not known.
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

// issuerInUse returns the issuer that servers should expect: the one that became
// active last.
func issuerInUse(keys *issuer.Keyring) string {
	var last issuer.Key
	for _, k := range keys.Keys() {
		if _, signs := keys.Signer(k.PublicKey); signs && k.State == issuer.StateActive && !k.Since.Before(last.Since) {
			last = k
		}
	}
	return cmp.Or(last.PublicKey, "PUBLIC_KEY")
}

// called returns the name of an account as people know it: in operator mode servers
// call accounts by their public keys.
func (s *serverCheck) called(account string) string {
	for _, a := range s.keys.Accounts() {
		if a.PublicKey == account {
			return a.Name + " (" + account + ")"
		}
	}
	return account
}

// notAsked says what to do in operator mode where a client knocked and the server
// did not ask.
func (s *serverCheck) notAsked() {
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

// sighted looks at the sentinel that a client turned out to be: the server's own,
// if the client brought none.
func (s *serverCheck) sighted(x *callout.Inspection) {
	if s.operator == nil || x.Sentinel == "" {
		return
	}
	c, err := jwt.DecodeUserClaims(x.Sentinel)
	if err != nil {
		s.Fail(fault.Config, "sentinel", s.url, "set default_sentinel in the server's configuration to the user JWT of a bearer", "%v", err)
		return
	}
	if file, err := operatormode.UserOf(s.cfg.NATS.SentinelCredsFile); err == nil && file.ID == c.ID {
		return // it was looked at
	}
	s.operator.Sentinel(s.url+" (default_sentinel)", c)
}
