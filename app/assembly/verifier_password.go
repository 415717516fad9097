package assembly

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"usher/app/config"
	"usher/tokens"
	"usher/tokens/password"
)

// hashTimeout is how long a hash waits for a place, and again how long it may take. It is
// less than the budget of a request.
const hashTimeout = 1500 * time.Millisecond

func passwordVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	cfg := &in.cfg.Credentials.Password
	if !cfg.Enabled {
		return nil, nil
	}
	parallel := cfg.Parallel
	if parallel == 0 {
		parallel = max(1, runtime.GOMAXPROCS(0)/2)
	}
	v, err := password.NewVerifier(password.Config{
		Snapshot: in.snapshot, Now: in.now,
		Memory: int64(cfg.Memory) << 20, Parallel: parallel, Timeout: hashTimeout, MaxAge: cfg.Remember,
		Last: !passwordsGoOn(&in.cfg.Credentials),
	})
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	return []tokens.Verifier{v}, nil
}

// passwordsGoOn reports whether a verifier after this one may know a password that is not of
// a user of the directory: many clients present a token as password, with any user name.
func passwordsGoOn(c *config.Credentials) bool {
	reviewed := func(k config.Kubernetes) bool { return k.Mode == config.KubernetesTokenReview }
	return len(c.Introspection) > 0 || len(c.Webhook) > 0 || slices.ContainsFunc(c.Kubernetes, reviewed)
}
