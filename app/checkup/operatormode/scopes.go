package operatormode

import (
	"slices"
	"strings"

	"usher/app/assembly"
	"usher/internal/fault"

	"github.com/nats-io/jwt/v2"

	"usher/callout"
	"usher/issuer"
	"usher/issuer/operator"
	"usher/permissions"
)

// scopes compares accounts.scopes with the scoped keys of the keyring, and checks their
// templates.
func (o *Checker) scopes() {
	active := map[issuer.Place]string{}
	for _, k := range o.keys.Keys() {
		if k.State == issuer.StateActive && k.Scope != "" {
			active[issuer.Place{Account: k.Account, Scope: k.Scope}] = k.PublicKey
		}
	}
	for _, r := range assembly.Policy(o.Cfg).Scoped {
		place := issuer.Place{Account: r.Account, Scope: r.Role}
		if active[place] == "" {
			o.Fail(fault.Config, "scope", o.Cfg.Keyring.Dir,
				"usher nkey new --out FILE account; "+addKey(place, "PUBLIC_KEY")+o.thenPush(r.Account)+"; then add its seed to the keyring, active, with account: "+r.Account+" and scope: "+r.Role,
				"accounts.scopes has %s/%s, but the keyring has no active signing key for it: usher does not answer identities with this role", r.Account, r.Role)
		}
	}
	for _, k := range o.keys.Keys() {
		place := issuer.Place{Account: k.Account, Scope: k.Scope}
		if active[place] != k.PublicKey {
			continue
		}
		if !slices.Contains(o.Cfg.Accounts.Scopes, k.Account+"/"+k.Scope) {
			o.Warn("scope", o.Cfg.Keyring.Dir, "add "+k.Account+"/"+k.Scope+" to accounts.scopes, or remove the key from the keyring",
				"no role uses the scoped signing key for %s", place)
		}
		if a := o.accountNamed(k.Account); a.claims != nil {
			o.template(a, &k)
		}
	}
}

// template checks the permission template of a scoped signing key.
func (o *Checker) template(a *accountCheck, k *issuer.Key) {
	scope, _ := a.claims.SigningKeys.GetScope(k.PublicKey)
	user, ok := scope.(*jwt.UserScope)
	if !ok || user == nil || user.Role != k.Scope {
		return // reported by signingKeys
	}
	sound := true
	edit := "nsc edit signing-key -a " + a.name + " --sk " + k.PublicKey + " "
	p := &user.Template.Permissions
	for _, side := range operator.OpenSides(p, &a.claims.DefaultPermissions) {
		flag := strings.TrimSuffix(side, "lish")
		flag = strings.TrimSuffix(flag, "scribe")
		o.Fail(fault.Config, "scope", a.where, edit+"--deny-"+flag+" '>' (or --allow-"+flag+" with the subjects)"+o.thenPush(a.name),
			"the template of %s has no rules to %s: it allows everything", k.Account+"/"+k.Scope, side)
		sound = false
	}
	for _, what := range operator.MatchingAllows(p, callout.Subject, permissions.Overlaps) {
		o.Warn("scope", a.where, edit+"--deny-pubsub '"+callout.Subject+"'"+o.thenPush(a.name),
			"the template of %s includes %s: %s", k.Account+"/"+k.Scope, callout.Subject, what)
		sound = false
	}
	if sound {
		o.OK("scope", a.where, "the template of %s has rules for both sides", k.Account+"/"+k.Scope)
	}
}
