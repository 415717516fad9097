package nkey

import (
	"errors"
	"fmt"
	"io/fs"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/nats-io/jwt/v2"
	"github.com/urfave/cli/v2"

	"usher/app/assembly"
	"usher/app/config"
	"usher/app/deployment"
	"usher/issuer/operator"
)

func nkeyPushCommand() *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "give an account JWT from disk to every server (operator mode)",
		UsageText: "usher nkey push -c FILE ACCOUNT",
		Description: "Takes accounts/ACCOUNT.jwt of operator.dir, pushes it to the resolvers, and waits\n" +
			"until every server goes by it.",
		Flags: []cli.Flag{cmdutil.ConfigFlag()},
		Action: func(c *cli.Context) error {
			if err := cmdutil.Arguments(c, 1); err != nil {
				return err
			}
			cfg, err := cmdutil.LoadConfig(c)
			if err != nil {
				return err
			}
			if cfg.NATS.Mode != config.ModeOperator || cfg.Operator.Dir == "" {
				return &fault.Error{Kind: fault.Config, Err: fmt.Errorf("there is nothing to push"), Hint: "account JWTs are for operator mode (nats.mode), and lie in operator.dir"}
			}
			l := &deployment.Deployment{Cfg: cfg}
			if err := l.OpenSystem(); err != nil {
				return err
			}
			defer l.Close()
			return pushAccount(c, l, c.Args().First())
		},
	}
}

func pushAccount(c *cli.Context, l *deployment.Deployment, name string) error {
	dir := operator.Dir(l.Cfg.Operator.Dir)
	claims, text, err := dir.Account(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("no account %s in %s", name, dir)
		}
		return fault.InConfig(err)
	}
	trusted, err := dir.Operator()
	if err != nil {
		return fault.InConfig(err)
	}
	if claims.Issuer != trusted.Subject && !trusted.SigningKeys.Contains(claims.Issuer) {
		return fault.InConfig(fmt.Errorf("the JWT of %s is signed by %s, which is neither operator %s nor one of its signing keys", name, claims.Issuer, trusted.Name))
	}
	if err := unscoped(l.Cfg, name, claims); err != nil {
		return err
	}
	servers, err := l.Cluster.Servers(c.Context)
	if err != nil {
		return deployment.RotationError(l.Cfg, err)
	}
	now, _, _, err := l.Cluster.Newest(c.Context, claims.Subject, servers)
	if err == nil && now.IssuedAt > claims.IssuedAt {
		return &fault.Error{Kind: fault.Config, Err: fmt.Errorf("the servers have a newer JWT of %s", name), Hint: "it would be lost; sign yours again"}
	}
	if err := l.Cluster.Push(c.Context, claims.Subject, text, servers); err != nil {
		return deployment.RotationError(l.Cfg, err)
	}
	_, err = fmt.Fprintln(c.App.Writer, "pushed "+name+" to "+operator.Names(servers))
	return err
}

// unscoped refuses a JWT that gives a key of the keyring another scope than the
// keyring says: what usher signs states no permissions where there is a scope, and
// without the template that would be all of them.
func unscoped(cfg *config.Config, name string, claims *jwt.AccountClaims) error {
	keys, err := assembly.LoadKeyring(cfg)
	if err != nil {
		return err
	}
	for _, k := range keys.Keys() {
		if k.Account != name || !claims.SigningKeys.Contains(k.PublicKey) || operator.ScopeOf(claims, k.PublicKey) == k.Scope {
			continue
		}
		return &fault.Error{
			Kind: fault.Config,
			Err:  fmt.Errorf("%w: %s has scope %q in the JWT of %s, and %q in the keyring", operator.ErrUnscoped, k.PublicKey, operator.ScopeOf(claims, k.PublicKey), name, k.Scope),
			Hint: "without its template a scoped key lets clients do everything; give it the role and template in the JWT (nsc edit signing-key), or mend keyring.yaml",
		}
	}
	return nil
}
