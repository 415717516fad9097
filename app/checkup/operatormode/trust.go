package operatormode

import (
	"context"
	"slices"

	"usher/app/deployment"
	"usher/internal/fault"

	"github.com/nats-io/jwt/v2"

	"usher/issuer/operator"
)

// trust compares whose account JWTs the servers take with who signs them here. It is
// fixed while a server runs, whatever operator.jwt has been made since.
func (o *Check) trust(ctx context.Context, cluster *operator.Cluster, servers []operator.Server) error {
	const check = "operator"
	trusts, err := cluster.Trusts(ctx, servers)
	if err != nil {
		return err
	}
	o.servers, o.trusts = servers, trusts
	var unsaid []operator.Server
	for _, s := range servers {
		if trusts[s.ID] == nil {
			unsaid = append(unsaid, s)
		}
	}
	if len(unsaid) > 0 {
		err := &operator.TrustError{Unknown: unsaid}
		o.Warn(check, operator.Names(unsaid), operator.TrustHint(err), "%v: the operators that it trusts are not checked", err)
	}
	before := len(*o.List)
	signs := o.signs()
	if by := o.distrust(signs); signs != "" && len(by) > 0 {
		err := &operator.TrustError{Signer: signs, Untrusted: by}
		o.Fail(fault.Config, check, o.Cfg.Operator.SigningKeyFile, operator.TrustHint(err), "%v. No client could connect to an account whose JWT it signs", err)
	}
	if o.operator == nil {
		return nil
	}
	for _, key := range operator.Signers(o.operator) {
		if by := o.distrust(key); key != signs && len(by) > 0 {
			o.Warn(check, operator.Dir(o.Cfg.Operator.Dir).OperatorFile(), operator.TrustHint(&operator.TrustError{Untrusted: by}),
				"%s is a key of operator %s here, and %s does not trust it", key, o.operator.Name, operator.Names(by))
		}
	}
	if len(*o.List) == before && len(unsaid) == 0 {
		o.OK(check, operator.Names(servers), "trust operator %s as in operator.jwt", o.operator.Name)
	}
	return nil
}

// signs returns the public key that signs account JWTs here; empty: it is not here,
// which operatorJWT says.
func (o *Check) signs() string {
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

// distrust returns the servers that take no account JWT from a key, as far as they say.
func (o *Check) distrust(key string) []operator.Server {
	var by []operator.Server
	for _, s := range o.servers {
		if keys := o.trusts[s.ID]; keys != nil && !slices.Contains(keys, key) {
			by = append(by, s)
		}
	}
	return by
}

// stranger says who signed an account JWT, unless servers take it from them.
func (o *Check) stranger(c *jwt.AccountClaims) string {
	signed := "it is signed by " + c.Issuer + ", "
	by := o.distrust(c.Issuer)
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
