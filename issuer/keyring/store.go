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

// ErrRestart: the keyring has changed in a way that a running usher cannot take over.
var ErrRestart = errors.New("restart usher for that")

// StoreConfig says what a Store serves.
type StoreConfig struct {
	Dir      string
	Config   Config
	Log      *slog.Logger
	Now      func() time.Time
	OnReload func(ReloadEvent) // may be nil; called one at a time, must not call the Store's Reload
}

func (c *StoreConfig) valid() error {
	switch {
	case c.Dir == "":
		return errors.New("keyring: no directory given")
	case c.Log == nil:
		return errors.New("keyring: no log given")
	case c.Now == nil:
		return errors.New("keyring: no clock given")
	}
	return nil
}

// ReloadEvent tells of one attempt to take over a changed keyring directory.
type ReloadEvent struct {
	At      time.Time
	Err     error // why the last good keyring stays; nil if what the directory holds is in use
	Changed bool  // another keyring is in use than before
}

// Store serves the keyring of a directory. Its methods are safe for concurrent use.
type Store struct {
	cfg     StoreConfig
	current atomic.Pointer[version]

	mu     sync.Mutex // one reload at a time
	last   string     // what was wrong at the last look; empty: nothing
	stated bool       // the keyring in use is what a keyring.yaml says
}

// version is a good keyring.
type version struct {
	keyring  *issuer.Keyring
	loadedAt time.Time
}

// Open loads the keyring; one that is not good is an error, as of Load.
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

// LoadedAt returns since when the keyring in use is in use.
func (s *Store) LoadedAt() time.Time { return s.current.Load().loadedAt }

// Reload takes over the directory if its keys have changed. On an error, which is
// as of Load or ErrRestart, the keyring in use stays, and the error says so.
func (s *Store) Reload() error { return s.look(true) }

// look reads the directory and takes it over if it holds another keyring than the
// one in use. Unless again is set, what was wrong at the look before this one is
// not told once more.
func (s *Store) look(again bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.current.Load()
	next, stated, err := s.load(in.keyring)
	before := s.last
	s.last = ""
	if err != nil {
		if s.last = err.Error(); s.last == before && !again {
			return nil
		}
		err = fmt.Errorf("the keyring loaded at %s stays in use: %w", in.loadedAt.Format(time.RFC3339), err)
		s.tell(ReloadEvent{Err: err})
		return err
	}
	s.stated = stated
	switch changed := !same(in.keyring, next); {
	case changed:
		s.current.Store(&version{keyring: next, loadedAt: s.cfg.Now()})
		logChanges(s.cfg.Log, in.keyring, next)
		s.tell(ReloadEvent{Changed: true})
	case before != "":
		s.cfg.Log.Info("keyring is again the one in use", slog.String("dir", s.cfg.Dir))
		s.tell(ReloadEvent{})
	case !slices.EqualFunc(in.keyring.Keys(), next.Keys(), sameFile):
		// Files were written anew with what they held: only their age is another.
		s.current.Store(&version{keyring: next, loadedAt: in.loadedAt})
	}
	return nil
}

func (s *Store) tell(e ReloadEvent) {
	e.At = s.cfg.Now()
	if s.cfg.OnReload != nil {
		s.cfg.OnReload(e)
	}
}

// load reads the directory, and whether it has a keyring.yaml. What stays of the
// keyring in use goes over: an xkey has the keys that it shares with every server.
func (s *Store) load(in *issuer.Keyring) (next *issuer.Keyring, stated bool, _ error) {
	d, err := read(s.cfg.Dir, s.cfg.Config)
	if err != nil {
		return nil, false, err
	}
	if s.stated && !d.stated { // without it, what it calls next or retired would be active
		return nil, false, fmt.Errorf("keyring %s: %s has gone, and other keys would be in use without it: %w", s.cfg.Dir, StateFile, ErrRestart)
	}
	for _, x := range in.XKeys() {
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
	was, _ := in.Account(name)
	if is, _ := next.Account(name); is != was {
		return nil, false, fmt.Errorf("keyring %s: the callout account %s is %s now, and was %s: %w", s.cfg.Dir, name, is.PublicKey, was.PublicKey, ErrRestart)
	}
	return next, d.stated, nil
}

// same reports whether two keyrings answer alike.
func same(a, b *issuer.Keyring) bool {
	return slices.Equal(a.Accounts(), b.Accounts()) && slices.EqualFunc(a.Keys(), b.Keys(), sameKey)
}

// sameKey reports whether two keys do the same, wherever their seeds lie.
func sameKey(a, b issuer.Key) bool {
	return a.PublicKey == b.PublicKey && a.Kind == b.Kind && a.Account == b.Account && a.Scope == b.Scope &&
		a.State == b.State && slices.Equal(a.Command, b.Command)
}

func sameFile(a, b issuer.Key) bool {
	return a.File == b.File && a.Modified.Equal(b.Modified) && a.Since.Equal(b.Since)
}

// logChanges says what is different in b, one line for each key and account.
func logChanges(log *slog.Logger, a, b *issuer.Keyring) {
	accounts(log, a.Accounts(), b.Accounts())
	was, is := byPublicKey(a), byPublicKey(b)
	for _, k := range a.Keys() {
		if _, stays := is[k.PublicKey]; !stays {
			log.LogAttrs(context.Background(), slog.LevelInfo, "key removed", attrs(&k)...)
		}
	}
	for _, k := range b.Keys() {
		old, known := was[k.PublicKey]
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

// attrs are what the log says of a key.
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

func accounts(log *slog.Logger, was, is []issuer.Account) {
	for _, a := range was {
		if !slices.Contains(is, a) {
			log.Info("account removed", slog.String("account", a.Name), slog.String("key", a.PublicKey))
		}
	}
	for _, a := range is {
		if !slices.Contains(was, a) {
			log.Info("account added", slog.String("account", a.Name), slog.String("key", a.PublicKey))
		}
	}
}
