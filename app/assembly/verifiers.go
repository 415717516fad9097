package assembly

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"usher/app/config"
	"usher/directory/snapshot"
	"usher/internal/fault"
	"usher/issuer"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/health"
	"usher/tokens/service"
)

// verifierInputs are what the verifiers of a configuration are made of.
type verifierInputs struct {
	cfg      *config.Config
	log      *slog.Logger
	now      func() time.Time
	snapshot func() *snapshot.Snapshot
	keyring  func() *issuer.Keyring
}

// newVerifiers makes the verifiers of one kind: none if the configuration does not have
// it, and several if it is a list. It neither asks another system nor starts anything.
// The name of a verifier is that of its kind; of an element of a list, it is KIND:NAME,
// such as "oidc:keycloak".
type newVerifiers func(in *verifierInputs) ([]tokens.Verifier, error)

// kinds are the kinds of verifiers in the order of the chain (docs/adr/0018-verifiers.md):
// first those that know their credentials by their form and decide from memory, then
// those that must ask another system, and last the one that accepts everything. Each is
// in a file of its own, verifier_KIND.go.
func kinds() []newVerifiers {
	return []newVerifiers{
		healthVerifiers,
		serviceVerifiers,
		natsJWTVerifiers,
		nkeyVerifiers,
		apiKeyVerifiers,
		jwtVerifiers,
		passwordVerifiers,
		x509Verifiers,
		introspectionVerifiers,
		tokenReviewVerifiers,
		automateVerifiers,
		webhookVerifiers,
		anonymousVerifiers,
	}
}

// Verifiers makes the verifiers of a configuration for a command that has read its keyring
// and directory. An error is of kind fault.Config.
func Verifiers(cfg *config.Config, keys *issuer.Keyring, s *snapshot.Snapshot) (tokens.Chain, error) {
	chain, err := newChain(&verifierInputs{
		cfg: cfg, log: slog.New(slog.DiscardHandler), now: time.Now,
		snapshot: func() *snapshot.Snapshot { return s }, keyring: func() *issuer.Keyring { return keys },
	})
	if err != nil {
		return nil, fault.InConfig(err)
	}
	return chain, nil
}

// newChain makes the verifiers of a configuration.
func newChain(in *verifierInputs) (tokens.Chain, error) {
	var chain tokens.Chain
	for _, verifiers := range kinds() {
		made, err := verifiers(in)
		if err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
		chain = append(chain, made...)
	}
	return chain, nil
}

func healthVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	if in.cfg.Accounts.HealthCheck == "" {
		return nil, nil
	}
	return []tokens.Verifier{health.NewVerifier(in.keyring, in.now)}, nil
}

func serviceVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	if !in.cfg.UsesProjectAccounts() {
		return nil, nil
	}
	return []tokens.Verifier{service.NewVerifier(in.keyring, in.snapshot, in.now)}, nil
}

func apiKeyVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	return []tokens.Verifier{apikey.NewVerifier(in.snapshot, in.now)}, nil
}

// runChain runs the background work of verifiers until ctx ends, and returns once all of
// it has ended.
func runChain(ctx context.Context, chain tokens.Chain) {
	var all sync.WaitGroup
	for _, v := range chain {
		if b, ok := v.(tokens.Background); ok {
			all.Go(func() { b.Run(ctx) })
		}
	}
	all.Wait()
}

// RunVerifiers does the work of the verifiers between requests, such as fetching keys,
// until ctx ends.
func (p *Parts) RunVerifiers(ctx context.Context) { runChain(ctx, p.Decider.Chain) }

// StartVerifiers is RunVerifiers for a command. stop returns once the work has ended.
func (p *Parts) StartVerifiers(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { p.RunVerifiers(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}
