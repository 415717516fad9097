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

func pushCommand() *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "push an account JWT from disk to every server (operator mode)",
		UsageText: "usher nkey push -c FILE ACCOUNT",
		Description: "Pushes accounts/ACCOUNT.jwt of operator.dir to the resolvers, and waits until every\n" +
			"server uses it.",
		Flags: []cli.Flag{cmdutil.ConfigFlag()},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 1); err != nil {
				return err
			}
			cfg, err := cmdutil.LoadConfig(c)
			if err != nil {
				return err
			}
			if cfg.NATS.Mode != config.ModeOperator || cfg.Operator.Dir == "" {
				return &fault.Error{Kind: fault.Config, Err: errors.New("no account JWTs to push"), Hint: "account JWTs exist in operator mode (nats.mode), in operator.dir"}
			}
			d := &deployment.Deployment{Cfg: cfg}
			if err := d.OpenSystem(); err != nil {
				return err
			}
			defer d.Close()
			return pushAccount(c, d, c.Args().First())
		},
	}
}

func pushAccount(c *cli.Context, d *deployment.Deployment, name string) error {
	dir := operator.Dir(d.Cfg.Operator.Dir)
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
		return fault.InConfig(fmt.Errorf("the JWT of %s is signed by %s, which is neither operator %[3]s nor one of its signing keys", name, claims.Issuer, trusted.Name))
	}
	if err := checkScopes(d.Cfg, name, claims); err != nil {
		return err
	}
	servers, err := d.Cluster.Servers(c.Context)
	if err != nil {
		return deployment.RotationError(d.Cfg, err)
	}
	newest, _, _, err := d.Cluster.Newest(c.Context, claims.Subject, servers)
	if err == nil && newest.IssuedAt > claims.IssuedAt {
		return &fault.Error{Kind: fault.Config, Err: fmt.Errorf("the servers have a newer JWT of %s", name), Hint: "a push would overwrite it: apply your change to the newer JWT and sign that"}
	}
	if err := d.Cluster.Push(c.Context, claims.Subject, text, servers); err != nil {
		return deployment.RotationError(d.Cfg, err)
	}
	_, err = fmt.Fprintln(c.App.Writer, "pushed "+name+" to "+operator.Names(servers))
	return err
}

// checkScopes refuses a JWT in which a key of the keyring has another scope than in the
// keyring. A user JWT that is signed with a scoped key states no permissions, so without
// the template of the scope it would permit everything.
func checkScopes(cfg *config.Config, name string, claims *jwt.AccountClaims) error {
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
			Hint: "without its template a scoped key permits everything; set role and template in the JWT (nsc edit signing-key), or correct keyring.yaml",
		}
	}
	return nil
}
