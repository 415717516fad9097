package checkup

import (
	"context"

	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/rotation"
	"usher/internal/fault"
	"usher/issuer"
	"usher/issuer/operator"
)

// CheckKeys checks that the servers of a deployment expect keys of its keyring and, in
// operator mode, that the account JWTs in force have its signing keys. It appends the
// findings to f. An error means that the keyring or the servers cannot be read.
func CheckKeys(ctx context.Context, f *finding.List, l *deployment.Deployment) error {
	keys, err := assembly.LoadKeyring(l.Cfg)
	if err != nil {
		return err
	}
	expectations, err := l.Expectations(ctx)
	if err != nil {
		return err
	}
	for _, x := range expectations {
		checkExpectation(f, l, keys, &x)
	}
	if l.Cluster == nil {
		return nil
	}
	return checkAccountKeys(ctx, f, l, keys)
}

// checkExpectation compares the issuer and the xkey that a server expects with the keyring.
func checkExpectation(f *finding.List, l *deployment.Deployment, keys *issuer.Keyring, x *rotation.Expectation) {
	_, known := keys.For(x.Issuer)
	switch {
	case x.Issuer == "":
		f.Fail(fault.Runtime, "server", x.URL, "usher check says what does not match", "%s", x.Problem)
		return
	case !known:
		hint := retiredHint(keys, x.Issuer)
		switch {
		case hint != "":
		case keys.Operator():
			hint = "set the public key of account " + l.Cfg.Accounts.Callout + " in keyring.yaml to that of the server's callout account"
		default:
			hint = "put its seed into " + l.Cfg.Keyring.Dir
		}
		f.Fail(fault.Config, "issuer", x.URL, hint, "server %s expects %s, which is not in the keyring", x.Server, x.Issuer)
	default:
		f.OK("issuer", x.URL, "server %s expects %s", x.Server, describeIssuer(keys, l.Cfg, x.Issuer))
	}
	switch {
	case x.XKey != "":
		f.OK("xkey", x.URL, "server %s encrypts requests to %s, which is in the keyring", x.Server, x.XKey)
	case x.Problem != "":
		f.Fail(fault.Config, "xkey", x.URL, "", "server %s: %s", x.Server, x.Problem)
	default:
		f.OK("xkey", x.URL, "server %s sends requests unencrypted", x.Server)
	}
}

// describeIssuer describes an issuer that servers expect and the keyring has. In
// operator mode that is the public key of the callout account. The keyring does not have
// that key, but a signing key of the account.
func describeIssuer(keys *issuer.Keyring, cfg *config.Config, public string) string {
	if keys.Operator() {
		return "callout account " + cfg.Accounts.Callout + " (" + public + "), and the keyring has an active signing key of it"
	}
	return public + ", which is in the keyring"
}

// checkAccountKeys compares the account JWTs in force with the keyring.
func checkAccountKeys(ctx context.Context, f *finding.List, l *deployment.Deployment, keys *issuer.Keyring) error {
	servers, err := l.Cluster.Servers(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys.Keys() {
		if k.State != issuer.StateActive || k.Kind != issuer.KindSigning {
			continue
		}
		a, ok := keys.Account(k.Account)
		if !ok {
			continue
		}
		claims, _, agree, err := l.Cluster.Newest(ctx, a.PublicKey, servers)
		switch {
		case err != nil:
			f.Fail(fault.Runtime, "account", a.Name, "", "%v", err)
		case !claims.SigningKeys.Contains(k.PublicKey) && a.PublicKey != k.PublicKey:
			f.Fail(fault.Config, "account", a.Name, "usher nkey rotate replaces the key; or add it with nsc and push", "its JWT lacks signing key %s, which usher signs with", k.PublicKey)
		case operator.ScopeOf(claims, k.PublicKey) != k.Scope:
			f.Fail(fault.Config, "account", a.Name, "", "signing key %s has scope %q in the JWT, and %q in the keyring", k.PublicKey, operator.ScopeOf(claims, k.PublicKey), k.Scope)
		case !agree:
			f.Warn("account", a.Name, "wait until the resolvers have synchronised, or push again", "the servers have different JWTs of this account")
		default:
			f.OK("account", a.Name, "its JWT has signing key %s", k.PublicKey)
		}
	}
	return nil
}
