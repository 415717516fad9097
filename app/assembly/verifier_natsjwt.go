package assembly

import (
	"fmt"

	"usher/identity"
	"usher/internal/fault"
	"usher/tokens"
	"usher/tokens/natsjwt"
)

func natsJWTVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	cfg := &in.cfg.Credentials.NATSJWT
	if !cfg.Enabled {
		return nil, nil
	}
	v, err := natsjwt.NewVerifier(natsjwt.Config{
		Name: identity.Authority(cfg.Name), Accounts: cfg.Accounts, Operators: cfg.Operators, Dir: cfg.Dir,
		Bearer: cfg.Bearer, Sentinels: cfg.Sentinels, Leeway: in.cfg.Callout.ClockSkew, Now: in.now,
	})
	if err != nil {
		return nil, fault.InConfig(fmt.Errorf("natsjwt.dir: %w", err))
	}
	return []tokens.Verifier{v}, nil
}
