package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/nats-io/jwt/v2"
	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/issuer/operator"
)

func nkeyPushCommand() *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "give an account JWT from disk to every server (operator mode)",
		UsageText: "usher nkey push -c FILE ACCOUNT",
		Description: "Takes accounts/ACCOUNT.jwt of operator.dir, pushes it to the resolvers, and waits\n" +
			"until every server goes by it.",
		Flags: []cli.Flag{configFlag()},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			if cfg.NATS.Mode != config.ModeOperator || cfg.Operator.Dir == "" {
				return &exitError{code: exitConfig, err: fmt.Errorf("there is nothing to push"), hint: "account JWTs are for operator mode (nats.mode), and lie in operator.dir"}
			}
			l := &live{cfg: cfg}
			if err := l.openSystem(); err != nil {
				return err
			}
			defer l.close()
			return l.push(c, c.Args().First())
		},
	}
}

func (l *live) push(c *cli.Context, name string) error {
	dir := operator.Dir(l.cfg.Operator.Dir)
	claims, text, err := dir.Account(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("no account %s in %s", name, dir)
		}
		return configError(err)
	}
	trusted, err := dir.Operator()
	if err != nil {
		return configError(err)
	}
	if claims.Issuer != trusted.Subject && !trusted.SigningKeys.Contains(claims.Issuer) {
		return configError(fmt.Errorf("the JWT of %s is signed by %s, which is neither operator %s nor one of its signing keys", name, claims.Issuer, trusted.Name))
	}
	if err := l.unscoped(name, claims); err != nil {
		return err
	}
	servers, err := l.cluster.Servers(c.Context)
	if err != nil {
		return rotationError(l.cfg, err)
	}
	now, _, _, err := l.cluster.Newest(c.Context, claims.Subject, servers)
	if err == nil && now.IssuedAt > claims.IssuedAt {
		return &exitError{code: exitConfig, err: fmt.Errorf("the servers have a newer JWT of %s", name), hint: "it would be lost; sign yours again"}
	}
	if err := l.cluster.Push(c.Context, claims.Subject, text, servers); err != nil {
		return rotationError(l.cfg, err)
	}
	_, err = fmt.Fprintln(c.App.Writer, "pushed "+name+" to "+operator.Names(servers))
	return err
}

// unscoped refuses a JWT that gives a key of the keyring another scope than the
// keyring says: what usher signs states no permissions where there is a scope, and
// without the template that would be all of them.
func (l *live) unscoped(name string, claims *jwt.AccountClaims) error {
	keys, err := loadKeyring(l.cfg)
	if err != nil {
		return err
	}
	for _, k := range keys.Keys() {
		if k.Account != name || !claims.SigningKeys.Contains(k.PublicKey) || operator.ScopeOf(claims, k.PublicKey) == k.Scope {
			continue
		}
		return &exitError{
			code: exitConfig,
			err:  fmt.Errorf("%w: %s has scope %q in the JWT of %s, and %q in the keyring", operator.ErrUnscoped, k.PublicKey, operator.ScopeOf(claims, k.PublicKey), name, k.Scope),
			hint: "without its template a scoped key lets clients do everything; give it the role and template in the JWT (nsc edit signing-key), or mend keyring.yaml",
		}
	}
	return nil
}
