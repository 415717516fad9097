package assembly

import (
	"fmt"
	"net/netip"

	"usher/app/config"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/anonymous"
)

func anonymousVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	cfg := &in.cfg.Credentials.Anonymous
	if !cfg.Enabled {
		return nil, nil
	}
	out := anonymous.Config{Name: identity.Authority(cfg.Name), Sentinel: in.cfg.NATS.Mode == config.ModeOperator}
	for _, text := range cfg.Networks {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("anonymous.networks: %w", err)
		}
		out.Networks = append(out.Networks, n)
	}
	return []tokens.Verifier{anonymous.NewVerifier(out)}, nil
}
