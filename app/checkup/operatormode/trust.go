package operatormode

import (
	"context"
	"slices"

	"usher/app/deployment"
	"usher/internal/fault"

	"github.com/nats-io/jwt/v2"

	"usher/issuer/operator"
)

// trust compares the operator keys that the servers trust with the key that signs here. A
// server reads them at its start, so a newer operator.jwt does not change them.
func (o *Checker) trust(ctx context.Context, cluster *operator.Cluster, servers []operator.Server) error {
	const check = "operator"
	trusts, err := cluster.Trusts(ctx, servers)
	if err != nil {
		return err
	}
	o.servers, o.trusts = servers, trusts
	var unreported []operator.Server
	for _, s := range servers {
		if trusts[s.ID] == nil {
			unreported = append(unreported, s)
		}
	}
	if len(unreported) > 0 {
		err := &operator.TrustError{Unknown: unreported}
		o.Warn(check, operator.Names(unreported), operator.TrustHint(err), "%v: the operators that it trusts are not checked", err)
	}
	before := len(*o.List)
	signer := o.operatorKey()
	if by := o.distrustedBy(signer); signer != "" && len(by) > 0 {
		err := &operator.TrustError{Signer: signer, Untrusted: by}
		o.Fail(fault.Config, check, o.Cfg.Operator.SigningKeyFile, operator.TrustHint(err), "%v. No client could connect to an account whose JWT it signs", err)
	}
	if o.operator == nil {
		return nil
	}
	for _, key := range operator.Signers(o.operator) {
		if by := o.distrustedBy(key); key != signer && len(by) > 0 {
			o.Warn(check, operator.Dir(o.Cfg.Operator.Dir).OperatorFile(), operator.TrustHint(&operator.TrustError{Untrusted: by}),
				"%s is a key of operator %s here, and %s does not trust it", key, o.operator.Name, operator.Names(by))
		}
	}
	if len(*o.List) == before && len(unreported) == 0 {
		o.OK(check, operator.Names(servers), "trust operator %s as in operator.jwt", o.operator.Name)
	}
	return nil
}

// operatorKey returns the public key that signs account JWTs here; empty: there is none,
// which operatorJWT reports.
func (o *Checker) operatorKey() string {
	kp, err := deployment.OperatorKey(o.Cfg)
	if err != nil {
		return ""
	}
	public, err := kp.PublicKey()
	if err != nil {
		return ""
	}
	return public
}

// distrustedBy returns the servers that report that they do not trust a key.
func (o *Checker) distrustedBy(key string) []operator.Server {
	var by []operator.Server
	for _, s := range o.servers {
		if keys := o.trusts[s.ID]; keys != nil && !slices.Contains(keys, key) {
			by = append(by, s)
		}
	}
	return by
}

// untrustedSigner says why servers refuse the signature of an account JWT; empty: they
// accept it.
func (o *Checker) untrustedSigner(c *jwt.AccountClaims) string {
	signed := "it is signed by " + c.Issuer + ", "
	by := o.distrustedBy(c.Issuer)
	switch {
	case len(by) > 0 && (o.operator == nil || o.operator.DidSign(c)):
		return signed + "which " + operator.Names(by) + " does not trust (trusted_operators_jwt): its configuration has another operator JWT"
	case o.operator == nil || o.operator.DidSign(c):
		return ""
	case c.Issuer == o.operator.Subject:
		return signed + "the operator's identity key, but the operator requires signing keys"
	default:
		return signed + "which is neither operator " + o.operator.Name + " nor one of its signing keys"
	}
}
