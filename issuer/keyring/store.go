package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"usher/issuer"
)

// ErrRestart: the keyring has changed in a way that only takes effect after a restart.
var ErrRestart = errors.New("restart usher to apply that")

// StoreConfig configures a Store.
type StoreConfig struct {
	Dir      string
	Config   Config
	Log      *slog.Logger
	Now      func() time.Time
	OnReload func(ReloadEvent) // may be nil; never called concurrently; must not call Reload
}

func (c *StoreConfig) valid() error {
	switch {
	case c.Dir == "":
		return errors.New("keyring: no directory")
	case c.Log == nil:
		return errors.New("keyring: no logger")
	case c.Now == nil:
		return errors.New("keyring: no clock")
	}
	return nil
}

// ReloadEvent is the result of a reload of the keyring directory.
type ReloadEvent struct {
	At      time.Time
	Err     error // why the last good keyring stays in use; nil: the directory is in use
	Changed bool  // the keyring in use has changed
}

// Store serves the keyring of a directory. Its methods are safe for concurrent use.
type Store struct {
	cfg     StoreConfig
	current atomic.Pointer[version]

	mu      sync.Mutex // serialises reloads
	lastErr string     // the error of the last reload; empty: none
	stated  bool       // the keyring in use came with a keyring.yaml
}

// version is a loaded keyring.
type version struct {
	keyring  *issuer.Keyring
	loadedAt time.Time
}

// Open loads the keyring. It returns the errors of Load.
func Open(cfg StoreConfig) (*Store, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	d, err := read(cfg.Dir, cfg.Config)
	if err != nil {
		return nil, err
	}
	k, err := d.keyring()
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, stated: d.stated}
	s.current.Store(&version{keyring: k, loadedAt: cfg.Now()})
	cfg.Log.Info("keyring loaded", slog.String("dir", cfg.Dir), slog.Int("keys", len(k.Keys())))
	return s, nil
}

// Keyring returns the keyring in use. It takes no lock and is never nil.
func (s *Store) Keyring() *issuer.Keyring { return s.current.Load().keyring }

// LoadedAt returns when the keyring in use was loaded.
func (s *Store) LoadedAt() time.Time { return s.current.Load().loadedAt }

// Reload loads the directory if its keys have changed. On an error, which is one of Load
// or ErrRestart, the keyring in use stays in use.
func (s *Store) Reload() error { return s.reload(true) }

// reload loads the directory if its keys have changed. It returns the error of the
// previous reload again only if repeat is set.
func (s *Store) reload(repeat bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.current.Load()
	next, stated, err := s.load(current.keyring)
	previousErr := s.lastErr
	s.lastErr = ""
	if err != nil {
		if s.lastErr = err.Error(); s.lastErr == previousErr && !repeat {
			return nil
		}
		err = fmt.Errorf("the keyring loaded at %s stays in use: %w", current.loadedAt.Format(time.RFC3339), err)
		s.notify(ReloadEvent{Err: err})
		return err
	}
	s.stated = stated
	switch changed := !same(current.keyring, next); {
	case changed:
		s.current.Store(&version{keyring: next, loadedAt: s.cfg.Now()})
		logChanges(s.cfg.Log, current.keyring, next)
		s.notify(ReloadEvent{Changed: true})
	case previousErr != "":
		s.cfg.Log.Info("the keyring directory is valid again, with the keys in use", slog.String("dir", s.cfg.Dir))
		s.notify(ReloadEvent{})
	case !slices.EqualFunc(current.keyring.Keys(), next.Keys(), sameFile):
		// Files were rewritten or renamed without a change of keys.
		s.current.Store(&version{keyring: next, loadedAt: current.loadedAt})
	}
	return nil
}

func (s *Store) notify(e ReloadEvent) {
	e.At = s.cfg.Now()
	if s.cfg.OnReload != nil {
		s.cfg.OnReload(e)
	}
}

// load reads the directory, and reports whether it has a keyring.yaml. It keeps the
// xkeys of the current keyring, with their caches of shared keys.
func (s *Store) load(current *issuer.Keyring) (next *issuer.Keyring, stated bool, _ error) {
	d, err := read(s.cfg.Dir, s.cfg.Config)
	if err != nil {
		return nil, false, err
	}
	if s.stated && !d.stated { // without it, next and retired keys would be active
		return nil, false, fmt.Errorf("keyring %s: %s has been removed, which would change the keys in use: %w", s.cfg.Dir, StateFile, ErrRestart)
	}
	for _, x := range current.XKeys() {
		for i := range d.held {
			if h := &d.held[i]; h.XKey != nil && h.PublicKey == x.PublicKey() {
				h.XKey = x
			}
		}
	}
	if next, err = d.keyring(); err != nil {
		return nil, false, err
	}
	// The service's connections are in the callout account.
	name := s.cfg.Config.Callout
	before, _ := current.Account(name)
	if after, _ := next.Account(name); after != before {
		return nil, false, fmt.Errorf("keyring %s: the callout account %s has changed from %s to %s: %w", s.cfg.Dir, name, before.PublicKey, after.PublicKey, ErrRestart)
	}
	return next, d.stated, nil
}

// same reports whether two keyrings have the same accounts and keys.
func same(a, b *issuer.Keyring) bool {
	return slices.Equal(a.Accounts(), b.Accounts()) && slices.EqualFunc(a.Keys(), b.Keys(), sameKey)
}

// sameKey reports whether two keys are equal, wherever their seed files are.
func sameKey(a, b issuer.Key) bool {
	return a.PublicKey == b.PublicKey && a.Kind == b.Kind && a.Account == b.Account && a.Scope == b.Scope &&
		a.State == b.State && slices.Equal(a.Command, b.Command)
}

func sameFile(a, b issuer.Key) bool {
	return a.File == b.File && a.Modified.Equal(b.Modified) && a.Since.Equal(b.Since)
}

// logChanges logs the differences between two keyrings, one line for each key and
// account.
func logChanges(log *slog.Logger, before, after *issuer.Keyring) {
	logAccounts(log, before.Accounts(), after.Accounts())
	oldKeys, newKeys := byPublicKey(before), byPublicKey(after)
	for _, k := range before.Keys() {
		if _, stays := newKeys[k.PublicKey]; !stays {
			log.LogAttrs(context.Background(), slog.LevelInfo, "key removed", attrs(&k)...)
		}
	}
	for _, k := range after.Keys() {
		old, known := oldKeys[k.PublicKey]
		switch {
		case !known:
			log.LogAttrs(context.Background(), slog.LevelInfo, "key added", attrs(&k)...)
		case !sameKey(old, k):
			log.LogAttrs(context.Background(), slog.LevelInfo, "key changed", append(attrs(&k), slog.String("was", string(old.State)))...)
		}
	}
}

func byPublicKey(k *issuer.Keyring) map[string]issuer.Key {
	m := map[string]issuer.Key{}
	for _, key := range k.Keys() {
		m[key.PublicKey] = key
	}
	return m
}

// attrs are the log attributes of a key.
func attrs(k *issuer.Key) []slog.Attr {
	out := []slog.Attr{slog.String("kind", k.Kind), slog.String("key", k.PublicKey), slog.String("state", string(k.State))}
	if k.Account != "" {
		out = append(out, slog.String("account", k.Account))
	}
	if k.Scope != "" {
		out = append(out, slog.String("scope", k.Scope))
	}
	return out
}

func logAccounts(log *slog.Logger, before, after []issuer.Account) {
	for _, a := range before {
		if !slices.Contains(after, a) {
			log.Info("account removed", slog.String("account", a.Name), slog.String("key", a.PublicKey))
		}
	}
	for _, a := range after {
		if !slices.Contains(before, a) {
			log.Info("account added", slog.String("account", a.Name), slog.String("key", a.PublicKey))
		}
	}
}
