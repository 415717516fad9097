package operatormode

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"usher/app/deployment"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/nats-io/jwt/v2"

	"usher/internal/ownedfile"
	"usher/issuer"
	"usher/issuer/operator"
)

// nearEnd is how long before its end a JWT is warned of.
const nearEnd = 30 * 24 * time.Hour

// lifetime looks at when a JWT begins and ends; renew says how to make a new one.
func (o *Check) lifetime(check, where, renew string, c *jwt.ClaimsData) bool {
	begins, ends := time.Unix(c.NotBefore, 0).UTC(), time.Unix(c.Expires, 0).UTC()
	switch {
	case c.NotBefore != 0 && begins.After(o.now):
		o.Fail(fault.Config, check, where, renew, "the JWT is not valid before %s", begins.Format(time.RFC3339))
	case c.Expires == 0:
		return true
	case !ends.After(o.now):
		o.Fail(fault.Config, check, where, renew, "the JWT expired on %s", ends.Format(time.RFC3339))
	case ends.Before(o.now.Add(nearEnd)):
		o.Warn(check, where, renew, "the JWT expires on %s", ends.Format(time.RFC3339))
		return true
	default:
		return true
	}
	return false
}

// operatorJWT looks at the operator, and at the key that "usher nkey" signs with.
func (o *Check) operatorJWT(where string) {
	c := o.operator
	sound := o.lifetime("operator", where, "nsc edit operator --expiry 0, and give the new operator JWT to every server's configuration", &c.ClaimsData)
	if public := o.called(o.Cfg.Accounts.System).public; public != "" && c.SystemAccount != "" && public != c.SystemAccount {
		o.Fail(fault.Config, "operator", where, "set accounts.system to the operator's system account (nsc edit operator --system-account changes the operator's)",
			"its system account is %s, but accounts.system (%s) is %s in keyring.yaml", c.SystemAccount, o.Cfg.Accounts.System, public)
		sound = false
	}
	if sound {
		o.OK("operator", where, "%s, with %s", c.Name, plural.Count(len(c.SigningKeys), "signing key"))
	}
	if argv := o.Cfg.Operator.SigningCommand; len(argv) > 0 {
		o.operatorProgram(argv[0])
		return
	}
	file := o.Cfg.Operator.SigningKeyFile
	if file == "" {
		return
	}
	signer, err := deployment.ReadOperatorSeed(file, o.Cfg.Keyring.AllowGroupReadable)
	if err == nil {
		err = operator.CheckSigner(c, signer)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // docs/how-to/operator-mode.md says to move it away
		o.Warn("operator", file, "run usher nkey on the machine that has it; elsewhere remove operator.signing_key_file",
			"operator.signing_key_file is not on this machine: account JWTs cannot be changed from here")
	case errors.Is(err, ownedfile.ErrReadable), errors.Is(err, ownedfile.ErrUntrusted):
		o.Failed("operator", fault.InConfig(err))
	case err != nil:
		o.Fail(fault.Config, "operator", file, "put the seed of one of the operator's signing_keys there, or add this key: nsc edit operator --sk PUBLIC_KEY", "operator.signing_key_file: %v", err)
	default:
		o.OK("operator", file, "signs account JWTs for the operator")
	}
}

// operatorProgram tries the program that signs for the operator.
func (o *Check) operatorProgram(name string) {
	signer, err := deployment.OperatorProgram(o.Cfg)
	if err == nil {
		err = operator.CheckSigner(o.operator, signer)
	}
	if err == nil {
		_, err = signer.Sign([]byte("usher check"))
	}
	if errors.Is(err, ownedfile.ErrUntrusted) {
		o.Failed("operator", err)
		return
	}
	if err != nil {
		o.Fail(fault.Config, "operator", name, "see docs/reference/signing-programs.md for what a signing program must do", "operator.signing_command: %v", err)
		return
	}
	o.OK("operator", name, "signs account JWTs for the operator")
}

// account looks at what holds for every account JWT.
func (o *Check) account(a *accountCheck) {
	c := a.claims
	if c == nil {
		return
	}
	if a.stale {
		if by := o.stranger(a.disk); by != "" {
			o.Fail(fault.Config, "account", operator.Dir(o.Cfg.Operator.Dir).AccountFile(a.name), o.signAgain(a.name), "servers would refuse it: %s", by)
		}
	}
	sound := o.lifetime("account", a.where, "nsc edit account -n "+a.name+" --expiry 0"+o.pushed(a.name), &c.ClaimsData)
	fail := func(hint, format string, args ...any) {
		o.Fail(fault.Config, "account", a.where, hint, format, args...)
		sound = false
	}
	if a.public != "" && c.Subject != a.public {
		a.wrong = true
		fail("correct accounts in keyring.yaml, or replace the file with the JWT of this account", "it is the JWT of %s, but in keyring.yaml %s is %s", c.Subject, a.name, a.public)
	}
	if by := o.stranger(c); by != "" {
		fail(o.signAgain(a.name), "servers refuse it: %s", by)
	}
	vr := jwt.CreateValidationResults()
	c.Validate(vr)
	for _, i := range vr.Issues {
		if i.Blocking && !i.TimeCheck {
			fail("correct the account JWT"+o.pushed(a.name), "servers refuse it: %s", i.Description)
		}
	}
	if sound {
		o.OK("account", a.where, "%s is %s", a.name, c.Subject)
	}
}

func (o *Check) signAgain(name string) string {
	return "sign it again with a signing key of operator.jwt that every server trusts (nsc: -K KEY)" + o.pushed(name)
}

// signingKeys compares the signing keys of the keyring with those that the account
// JWTs name.
func (o *Check) signingKeys() {
	n, sound := 0, true
	for _, k := range o.keys.Keys() {
		if k.Kind != issuer.KindSigning || k.Account == "" { // in the directory, and not in keyring.yaml: not in use
			continue
		}
		if k.State == issuer.StateActive {
			n++
		}
		if a := o.called(k.Account); a.claims != nil {
			sound = o.signingKey(a, &k) && sound
		}
	}
	if sound {
		o.OK("signing key", o.Cfg.Keyring.Dir, "%s, all in the account JWTs", plural.Count(n, "active signing key"))
	}
}

func (o *Check) signingKey(a *accountCheck, k *issuer.Key) bool {
	scope, there := a.claims.SigningKeys.GetScope(k.PublicKey)
	own := k.PublicKey == a.claims.Subject
	role := operator.ScopeOf(a.claims, k.PublicKey)
	add := addKey(issuer.Place{Account: a.name, Scope: k.Scope}, k.PublicKey)
	switch {
	case k.State == issuer.StateRetired && there:
		o.Warn("signing key", a.where, "usher nkey retire "+k.PublicKey+", or nsc edit account -n "+a.name+" --rm-sk "+k.PublicKey+o.pushed(a.name),
			"%s is retired in the keyring, but servers still accept its signatures for %s", k.PublicKey, a.name)
	case k.State != issuer.StateActive: // a rotation puts it there when its turn comes
		return true
	case own && o.strict():
		o.Fail(fault.Config, "signing key", a.where, "replace it with a signing key: nsc edit account -n "+a.name+" --sk generate"+o.pushed(a.name),
			"%s is the identity key of %s, but the operator requires signing keys", k.PublicKey, a.name)
	case own:
		o.Warn("signing key", a.where, "replace it with a signing key: nsc edit account -n "+a.name+" --sk generate"+o.pushed(a.name),
			"%s signs with its identity key, which cannot be rotated", a.name)
	case !there:
		o.Fail(fault.Config, "signing key", a.where, add+o.pushed(a.name), "%s is not one of the signing_keys of %s: servers refuse its signatures", k.PublicKey, a.name)
	case scope == nil && k.Scope != "":
		o.Fail(fault.Config, "signing key", a.where, add+o.pushed(a.name),
			"%s has no scope in the JWT of %s, but scope %s in keyring.yaml: its user JWTs would have no limits", k.PublicKey, a.name, k.Scope)
	case scope != nil && k.Scope == "":
		o.Fail(fault.Config, "signing key", a.where, strings.Join(strings.Fields("set its scope "+role+" in keyring.yaml"), " ")+", or use a key without one: nsc edit account -n "+a.name+" --sk generate"+o.pushed(a.name),
			"%s is a scoped key (role %q) of %s, but has no scope in keyring.yaml: servers refuse permissions in its user JWTs", k.PublicKey, role, a.name)
	case role != k.Scope:
		o.Fail(fault.Config, "signing key", a.where, "make both the same: nsc edit signing-key -a "+a.name+" --sk "+k.PublicKey+" --role "+k.Scope+o.pushed(a.name),
			"%s has role %q in the JWT of %s, but scope %q in keyring.yaml", k.PublicKey, role, a.name, k.Scope)
	default:
		return true
	}
	return false
}
