package assembly

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/health"
)

// Parts are what serve, dev, check and explain share: everything between a
// credential and a grant, made from the configuration in one way only.
type Parts struct {
	cfg     *config.Config
	Keyring *keyring.Store
	Store   Store
	Policy  *permissions.Policy
	Decider *callout.Decider
	Issuer  *issuer.Issuer
	Now     func() time.Time
}

func Policy(cfg *config.Config) *permissions.Policy {
	return &permissions.Policy{
		IngestAccount:      cfg.Accounts.Ingest,
		AdminAccount:       cfg.Accounts.ServiceAdmin,
		HealthCheckAccount: cfg.Accounts.HealthCheck,
		CalloutAccount:     cfg.Accounts.Callout,
		SystemAccount:      cfg.Accounts.System,
		Scoped:             scopedRoles(cfg.Accounts.Scopes),
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

// scopedRoles reads accounts.scopes, whose form the configuration has checked.
func scopedRoles(scopes []string) []permissions.ScopedRole {
	var roles []permissions.ScopedRole
	for _, s := range scopes {
		account, role, _ := strings.Cut(s, "/")
		roles = append(roles, permissions.ScopedRole{Account: account, Role: role})
	}
	return roles
}

// KeyringConfig says how the keyring of a configuration is read.
func KeyringConfig(cfg *config.Config) keyring.Config {
	k := keyring.Config{AllowGroup: cfg.Keyring.AllowGroupReadable}
	if cfg.NATS.Mode == config.ModeOperator {
		k.Callout, k.System = cfg.Accounts.Callout, cfg.Accounts.System
	}
	return k
}

// ServerAccount returns the callout account as servers call it: by name, or in
// operator mode by its public key.
func ServerAccount(cfg *config.Config, keys *issuer.Keyring) string {
	if a, ok := keys.Account(cfg.Accounts.Callout); ok {
		return a.PublicKey
	}
	return cfg.Accounts.Callout
}

func LoadKeyring(cfg *config.Config) (*issuer.Keyring, error) {
	keys, err := keyring.Load(cfg.Keyring.Dir, KeyringConfig(cfg))
	if err != nil {
		return nil, KeyringError(cfg, err)
	}
	return keys, nil
}

// KeyringError says what a keyring directory takes in the mode of a configuration,
// unless err is about something else.
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

// Observers is who hears of reloads; each may be nil.
type Observers struct {
	Directory func(file.ReloadEvent)
	Changed   func(kv.Changed)
	Keyring   func(keyring.ReloadEvent)
}

// New reads keyring and directory and puts the parts together. Errors are
// the operator's to mend: exit code 3.
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
	var chain tokens.Chain
	if cfg.Accounts.HealthCheck != "" {
		chain = append(chain, health.NewVerifier(keys.Keyring, now))
	}
	chain = append(chain, apikey.NewVerifier(store.Snapshot, now))
	p.Decider = &callout.Decider{
		Chain:    chain,
		Snapshot: func() *snapshot.Snapshot { return store.Snapshot() },
		Policy:   p.Policy,
		Now:      now,
	}
	p.Issuer = issuer.New(issuer.Config{
		Policy:      p.Policy,
		MaxLifetime: cfg.UserJWT.MaxLifetime,
		Jitter:      cfg.UserJWT.Jitter,
		Now:         now,
		Random:      rand.Float64,
	})
	return p, nil
}

// ExplanationInputs returns what explanations are made from.
func (p *Parts) ExplanationInputs() explanation.Inputs {
	return explanation.Inputs{Decider: p.Decider, Keyring: p.Keyring.Keyring, MaxLifetime: p.cfg.UserJWT.MaxLifetime}
}
