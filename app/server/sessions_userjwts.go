package server

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"usher/app/deployment"
	"usher/app/sessions/revocation"
	"usher/issuer"

	"github.com/nats-io/jwt/v2"
)

// userJWTs returns what revokes the user JWTs of closed sessions in account JWTs. It holds no
// key and no connection between pushes.
func (srv *Server) userJWTs() *revocation.UserJWTs {
	cfg := srv.cfg
	return revocation.NewUserJWTs(revocation.UserJWTsConfig{
		Open: func(ctx context.Context, do func(revocation.Edit) error) error {
			d, err := deployment.Open(cfg)
			if err != nil {
				return err
			}
			defer d.Close()
			r, err := d.Rotator(func(line string) {
				srv.log.LogAttrs(ctx, slog.LevelInfo, "user JWTs of closed sessions", slog.String("step", line))
			}, deployment.DefaultWait, true)
			if err != nil {
				return err
			}
			defer r.Operator.Signer.Wipe()
			known, err := deployment.Accounts(cfg)
			if err != nil {
				return err
			}
			return do(func(account string, apply func(*jwt.AccountClaims) error) error {
				i := slices.IndexFunc(known, func(a issuer.Account) bool { return a.Name == account })
				if i < 0 {
					return fmt.Errorf("the keyring does not know account %s", account)
				}
				return r.Edit(ctx, known[i], apply)
			})
		},
		Accounts: func() (names []string, err error) {
			for _, a := range srv.Parts.Keyring.Keyring().Accounts() {
				if a.Name != cfg.Accounts.Callout && a.Name != cfg.Accounts.System {
					names = append(names, a.Name)
				}
			}
			return names, nil
		},
		Mine: replicas{srv}.Mine, Log: srv.log, Now: srv.Parts.Now,
	})
}
