package assembly

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"usher/internal/fault"

	"usher/app/config"
	"usher/app/explanation"
	"usher/callout"
	"usher/directory/file"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/ownedfile"
	"usher/internal/secret"
	"usher/internal/strictyaml"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/permissions"
)

// Parts are the components between a credential and a user JWT.
type Parts struct {
	cfg     *config.Config
	Keyring *keyring.Store
	Store   Store
	Policy  *permissions.Policy // with the profiles at the start; those in use are in Ruleset
	Decider *callout.Decider
	Issuer  *issuer.Issuer
	Now     func() time.Time
	ruleset atomic.Pointer[callout.Ruleset]
}

// Ruleset returns what the identities and profiles in use say.
func (p *Parts) Ruleset() *callout.Ruleset { return p.ruleset.Load() }

// Use puts those keys of a valid configuration into force that take effect at a reload and that
// decide about requests. Every decision that begins after it returns goes by them.
func (p *Parts) Use(cfg *config.Config) error {
	rules, problems := cfg.IdentityRules()
	if len(problems) > 0 {
		return problems
	}
	digest, err := cfg.IdentitiesDigest()
	if err != nil {
		return err
	}
	policy := *p.Policy
	policy.Profiles, policy.AnyMQTTClientID = cfg.GrantProfiles(), anyMQTTClientID(cfg.Accounts.MQTTClientIDs)
	p.ruleset.Store(&callout.Ruleset{Policy: &policy, Rules: rules, Digest: digest})
	if p.Issuer != nil { // else it is made of this configuration
		p.Issuer.SetLifetimes(lifetimes(cfg))
	}
	return nil
}

func lifetimes(cfg *config.Config) issuer.Lifetimes {
	of := &cfg.UserJWT
	return issuer.Lifetimes{MaxLifetime: of.MaxLifetime, Jitter: of.Jitter, RenewalMargin: of.RenewalMargin}
}

// Policy returns the policy of a configuration.
func Policy(cfg *config.Config) *permissions.Policy {
	return &permissions.Policy{
		IngestAccount:      cfg.Accounts.Ingest,
		ProjectAccounts:    cfg.UsesProjectAccounts(),
		NoIngestStreaming:  !cfg.Accounts.IngestStreaming,
		AdminAccount:       cfg.Accounts.ServiceAdmin,
		HealthCheckAccount: cfg.Accounts.HealthCheck,
		CalloutAccount:     cfg.Accounts.Callout,
		SystemAccount:      cfg.Accounts.System,
		Scoped:             scopedRoles(cfg.Accounts.Scopes),
		Profiles:           cfg.GrantProfiles(),
		AnyMQTTClientID:    anyMQTTClientID(cfg.Accounts.MQTTClientIDs),
	}
}

// anyMQTTClientID returns the accounts in which MQTT client ids are not bound to users.
func anyMQTTClientID(by map[string]string) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for account, ids := range by {
			if ids == config.MQTTClientIDsAny && !yield(account) {
				return
			}
		}
	})
}

// scopedRoles parses accounts.scopes. The configuration has validated its form.
func scopedRoles(scopes []string) []permissions.ScopedRole {
	var roles []permissions.ScopedRole
	for _, s := range scopes {
		account, role, _ := strings.Cut(s, "/")
		roles = append(roles, permissions.ScopedRole{Account: account, Role: role})
	}
	return roles
}

// KeyringConfig returns the options for reading the keyring of a configuration.
func KeyringConfig(cfg *config.Config) keyring.Config {
	k := keyring.Config{AllowGroup: cfg.Keyring.AllowGroupReadable}
	if cfg.NATS.Mode == config.ModeOperator {
		k.Callout, k.System = cfg.Accounts.Callout, cfg.Accounts.System
	}
	return k
}

// ServerAccount returns the callout account as servers identify it: by name, or in
// operator mode by public key.
func ServerAccount(cfg *config.Config, keys *issuer.Keyring) string {
	if a, ok := keys.Account(cfg.Accounts.Callout); ok {
		return a.PublicKey
	}
	return cfg.Accounts.Callout
}

// LoadKeyring reads the keyring of a configuration once.
func LoadKeyring(cfg *config.Config) (*issuer.Keyring, error) {
	keys, err := keyring.Load(cfg.Keyring.Dir, KeyringConfig(cfg))
	if err != nil {
		return nil, KeyringError(cfg, err)
	}
	return keys, nil
}

// KeyringError adds a hint to an error of the keyring: what keyring.dir must contain in
// the mode of the configuration.
func KeyringError(cfg *config.Config, err error) error {
	takes := "account seeds (SA…) of issuers, of which there has to be one, and xkey seeds (SX…); usher init makes both"
	if cfg.NATS.Mode == config.ModeOperator {
		takes = "account seeds (SA…) that are signing keys, one of them the callout account's, and xkey seeds (SX…); " +
			keyring.StateFile + " says whose they are (docs/reference/keyring.md)"
	}
	dir := cfg.Keyring.Dir
	var located strictyaml.Errors
	if errors.Is(err, ownedfile.ErrReadable) || errors.Is(err, ownedfile.ErrUntrusted) || errors.As(err, &located) {
		return fault.InConfig(err)
	}
	e := &fault.Error{Kind: fault.Config, Err: err}
	e.Hint = "keyring.dir takes one seed in each file *" + keyring.SeedSuffix + ": " + takes
	entries, _ := os.ReadDir(dir) // if it cannot be read, err says so
	for _, f := range entries {
		if name := secret.Redact(f.Name()); !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, keyring.SeedSuffix) && name != keyring.StateFile {
			e.Hint = "move " + filepath.Join(dir, name) + " elsewhere; if it is a seed, name it *" + keyring.SeedSuffix
		}
	}
	return e
}

// Observers are called after reloads, good and bad. Each may be nil.
type Observers struct {
	Directory func(file.ReloadEvent)
	Changed   func(kv.Changed) // the directory is a bucket and has changed
	Keyring   func(keyring.ReloadEvent)
}

// New reads keyring and directory and makes the parts. Its errors are of kind
// fault.Config where the operator can mend them.
func New(cfg *config.Config, log *slog.Logger, on Observers) (*Parts, error) {
	now := time.Now
	keys, err := keyring.Open(keyring.StoreConfig{
		Dir: cfg.Keyring.Dir, Config: KeyringConfig(cfg), Log: log, Now: now, OnReload: on.Keyring,
	})
	if err != nil {
		return nil, KeyringError(cfg, err)
	}
	store, err := OpenDirectory(cfg, log, now, on)
	if err != nil {
		return nil, err
	}
	p := &Parts{cfg: cfg, Keyring: keys, Store: store, Policy: Policy(cfg), Now: now}
	chain, err := newChain(&verifierInputs{cfg: cfg, log: log, now: now, snapshot: store.Snapshot, keyring: keys.Keyring})
	if err != nil {
		return nil, errors.Join(fault.InConfig(err), store.Close())
	}
	if err := p.Use(cfg); err != nil {
		return nil, errors.Join(fault.InConfig(err), store.Close())
	}
	p.Decider = &callout.Decider{
		Chain:    chain,
		Snapshot: func() *snapshot.Snapshot { return store.Snapshot() },
		Now:      now,
		Ruleset:  p.Ruleset,
	}
	p.Issuer = issuer.New(issuer.Config{
		Policy:    p.Policy,
		Lifetimes: lifetimes(cfg),
		Now:       now,
		Random:    rand.Float64,
	})
	return p, nil
}

// ExplanationInputs returns the inputs of package explanation.
func (p *Parts) ExplanationInputs() explanation.Inputs {
	l := p.Issuer.Lifetimes()
	return explanation.Inputs{Decider: p.Decider, Now: p.Now, Keyring: p.Keyring.Keyring, MaxLifetime: l.MaxLifetime, RenewalMargin: l.RenewalMargin}
}
