package assembly

import (
	"fmt"
	"runtime"
	"time"

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
		Last: len(in.cfg.Credentials.Introspection)+len(in.cfg.Credentials.Webhook) == 0, // an opaque token may be a password
	})
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	return []tokens.Verifier{v}, nil
}
