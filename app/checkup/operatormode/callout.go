package operatormode

import (
	"slices"
	"strings"

	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/issuer/operator"
)

// callout checks the external authorization of the callout account.
func (o *Checker) callout() {
	a := o.accountNamed(o.Cfg.Accounts.Callout)
	o.systemAccountAlias()
	if a.claims == nil {
		return
	}
	if !a.claims.HasExternalAuthorization() {
		o.Fail(fault.Config, "callout", a.where, "nsc edit authcallout -a "+a.name+" --auth-user "+o.serviceKey()+o.calloutFlags()+o.thenPush(a.name),
			"%s has no external authorization (authorization.auth_users): servers do not ask usher and accept the sentinel", a.name)
		return
	}
	o.allowedAccounts(a)
	o.bypasses(a)
	o.xkey(a)
	if n := a.claims.Limits.Conn; n != jwt.NoLimit {
		o.Warn("callout", a.where, "nsc edit account -n "+a.name+" --conns -1"+o.thenPush(a.name),
			"%s allows %d connections (limits.conn), and every client counts until usher has decided", a.name, n)
	}
}

// serviceKey returns the public key of the service user, or a placeholder for hints.
func (o *Checker) serviceKey() string {
	if c, err := UserOf(o.Cfg.NATS.CredsFile); err == nil {
		return c.Subject
	}
	return "PUBLIC_KEY_OF_THE_SERVICE_USER"
}

// calloutFlags returns the flags of "nsc edit authcallout" for allowed accounts and xkey.
func (o *Checker) calloutFlags() string {
	var public []string
	for _, a := range o.accounts {
		if a.usedBy != "" && a.public != "" && !a.mismatched {
			public = append(public, a.public)
		}
	}
	flags := ""
	if len(public) > 0 {
		flags = " --allowed-account " + strings.Join(public, ",")
	}
	if len(o.keys.XKeys()) > 0 {
		flags += " --curve " + PublicXKey(o.keys)
	}
	return flags
}

// systemAccountAlias finds an account that is the system account under another name. The
// callout account cannot have another name: keyring.yaml accepts a public key once.
func (o *Checker) systemAccountAlias() {
	if o.operator == nil {
		return
	}
	for _, a := range o.accounts {
		if a.usedBy != "" && a.public == o.operator.SystemAccount && a.name != o.Cfg.Accounts.System {
			o.Fail(fault.Config, "callout", a.name, "give clients another account; only a role of accounts.system may use the system account", "is the system account under another name, and clients use it (%s)", a.usedBy)
		}
	}
}

// allowedAccounts compares the accounts in which usher may place clients with those in
// which it would place them.
func (o *Checker) allowedAccounts(callout *accountCheck) {
	allowed := callout.claims.Authorization.AllowedAccounts
	sound := true
	for _, a := range o.accounts {
		if a.usedBy != "" && a.public != "" && !a.mismatched && !operator.Allows(callout.claims, a.public) {
			o.Fail(fault.Config, "callout", callout.where, "nsc edit authcallout -a "+callout.name+" --allowed-account "+a.public+o.thenPush(callout.name),
				"%s (%s) is not one of the allowed_accounts of %s: servers refuse every client that uses it (%s)", a.name, a.public, callout.name, a.usedBy)
			sound = false
		}
	}
	system := o.accountNamed(o.Cfg.Accounts.System)
	switch {
	case slices.Contains(allowed, jwt.AnyAccount):
		o.Warn("callout", callout.where, "nsc edit authcallout -a "+callout.name+" --rm-allowed-account '*'"+o.calloutFlags()+o.thenPush(callout.name),
			"allowed_accounts of %s is *: a holder of a signing key of any account, even the system account, can place clients there", callout.name)
		sound = false
	case system.public != "" && system.usedBy == "" && allowed.Contains(system.public):
		o.Warn("callout", callout.where, "nsc edit authcallout -a "+callout.name+" --rm-allowed-account "+system.public+o.thenPush(callout.name),
			"the system account is one of the allowed_accounts of %s, but no role uses it", callout.name)
		sound = false
	}
	if sound {
		o.OK("callout", callout.where, "%s has external authorization for every account that clients use", callout.name)
	}
}

// bypasses finds users about whom usher is never asked: auth users other than the service
// user, and users signed by keys of clients' accounts that the keyring does not have.
func (o *Checker) bypasses(callout *accountCheck) {
	service := o.serviceKey()
	others := slices.DeleteFunc(slices.Clone(callout.claims.Authorization.AuthUsers), func(u string) bool { return u == service })
	if len(others) > 0 {
		o.Warn("callout", callout.where, "nsc edit authcallout -a "+callout.name+" --rm-auth-user PUBLIC_KEY"+o.thenPush(callout.name)+", unless it is of another usher",
			"auth_users of %s has %s other than the service user; servers accept them without asking usher, and they can read in %s: %s",
			callout.name, plural.Count(len(others), "user"), callout.name, strings.Join(others, ", "))
	}
	for _, a := range o.accounts {
		if a.usedBy == "" || a.claims == nil {
			continue
		}
		var foreign []string
		for _, key := range a.claims.SigningKeys.Keys() {
			if !slices.ContainsFunc(o.keys.Keys(), func(k issuer.Key) bool { return k.PublicKey == key }) {
				foreign = append(foreign, key)
			}
		}
		if len(foreign) > 0 {
			slices.Sort(foreign)
			o.OK("callout", a.where, "a holder of %s of %s that the keyring does not have can create users that bypass usher: %s",
				plural.Count(len(foreign), "signing key"), a.name, strings.Join(foreign, ", "))
		}
	}
}

// xkey compares the xkey of the callout account with those of the keyring.
func (o *Checker) xkey(a *accountCheck) {
	public := a.claims.Authorization.XKey
	held := o.keys.XKeys()
	holds := false
	for _, x := range held {
		holds = holds || x.PublicKey() == public
	}
	set := "nsc edit authcallout -a " + a.name + " --curve " + PublicXKey(o.keys) + o.thenPush(a.name)
	switch {
	case holds:
		o.OK("xkey", a.where, "requests are encrypted to a key of the keyring")
	case public == "" && len(held) > 0:
		o.Fail(fault.Config, "xkey", a.where, set, "%s has no authorization.xkey, but the keyring has an xkey: servers send requests unencrypted, and usher refuses them", a.name)
	case public == "":
		o.Warn("xkey", a.where, "create one (usher nkey new --out FILE xkey), add it to the keyring and set it: nsc edit authcallout -a "+a.name+" --curve PUBLIC_XKEY"+o.thenPush(a.name),
			"%s has no authorization.xkey: requests are not encrypted, and a client that can subscribe in it can read credentials", a.name)
	case len(held) == 0:
		o.Fail(fault.Config, "xkey", a.where, "put the seed of "+public+" into "+o.Cfg.Keyring.Dir+" and keyring.yaml", "servers encrypt requests to %s, which is not in the keyring: usher cannot open them", public)
	default:
		o.Fail(fault.Config, "xkey", a.where, "add its seed to "+o.Cfg.Keyring.Dir+" and keyring.yaml, or set the xkey of the keyring: "+set,
			"servers encrypt requests to %s, which is not in the keyring: usher cannot open them", public)
	}
}
