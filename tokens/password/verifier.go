// Package password verifies users of the directory who present their user name and
// password.
//
// It promises that logins cost a bounded part of the machine: a number of hashes at a
// time, which together take a bounded amount of memory, in places of their own. Requests
// that wait for one hold nothing that others need, and those with an API key do not
// notice. Equal credentials that arrive together are hashed once. What a hash said is
// remembered for a short time, so that clients which reconnect together wait for nothing;
// the memory holds no password, and forgets a user whose password changes.
//
// A wrong password is final: no other verifier is asked about it.
package password

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/semaphore"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/phc"
	"usher/tokens"
	"usher/tokens/backend"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeUnknown = "password_unknown"
	CodeWrong   = "password_wrong"
)

// Config describes a Verifier.
type Config struct {
	Snapshot func() *snapshot.Snapshot // fallback of tokens.Credential.Directory
	Now      func() time.Time

	Memory   int64         // bytes that all hashes take at a time
	Parallel int           // hashes at a time; a hash keeps a CPU busy
	Timeout  time.Duration // of the wait for a place, and again of the hash
	MaxAge   time.Duration // how long a result is remembered; zero: not at all

	// Last: no verifier after this one knows user names and passwords. A user name that
	// the directory does not have is then as slow as one that it has, so that its answers
	// do not tell the names. Otherwise that would make the clients of the others wait.
	Last bool
}

// Verifier looks up user names in the directory of the decision.
type Verifier struct {
	cfg    Config
	hashes *backend.Backend // a hash is asked as another system is: in its turn, once for all
	memory *semaphore.Weighted
	key    [sha256.Size]byte // of this process, for what is remembered
	nobody string            // hash for the users that the directory does not have; empty without Config.Last
}

var (
	_ tokens.Slow       = (*Verifier)(nil)
	_ tokens.Observable = (*Verifier)(nil)
	_ tokens.Rechecker  = (*Verifier)(nil)
)

// name is that of the verifier and of what it shows.
const name = "password"

// NewVerifier returns a Verifier. It computes a hash if cfg.Last is set.
func NewVerifier(cfg Config) (*Verifier, error) { //nolint:gocritic // a description, used once
	v := &Verifier{cfg: cfg, memory: semaphore.NewWeighted(cfg.Memory)}
	if _, err := io.ReadFull(rand.Reader, v.key[:]); err != nil {
		return nil, fmt.Errorf("key of the cache: %w", err)
	}
	if cfg.Last {
		var err error
		if v.nobody, err = phc.New(string(v.key[:]), rand.Reader); err != nil {
			return nil, fmt.Errorf("hash: %w", err)
		}
	}
	v.hashes = backend.New(backend.Config{
		Name: name, MaxAge: cfg.MaxAge, RefusalAge: cfg.MaxAge, Concurrency: cfg.Parallel, Timeout: cfg.Timeout, Now: cfg.Now,
	})
	return v, nil
}

// Name returns "password".
func (*Verifier) Name() string { return name }

// Status returns the state of the cache.
func (v *Verifier) Status() tokens.Status { return tokens.Status{Caches: v.hashes.Status().Caches} }

// candidate is whom a user name may belong to.
type candidate struct {
	record directory.KeyRecord // zero: nobody
	known  bool
	owner  string // of the hash
	hash   string
}

// Slow implements tokens.Slow: a password has to be hashed.
func (v *Verifier) Slow(c *tokens.Credential) bool {
	copied := *c // the directory of the decision is that after the wait
	who, err := v.find(&copied)
	return err == nil && !v.hashes.Cached(v.cacheKey(&who, c.Password))
}

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	copied := *c // as in Slow
	who, err := v.find(&copied)
	if err != nil {
		return identity.Identity{}, err
	}
	right, err := v.matches(ctx, &who, c.Password)
	if err != nil {
		return identity.Identity{}, err
	}
	hashed := who.hash
	if who, err = v.find(c); err != nil {
		return identity.Identity{}, err
	}
	if who.hash != hashed { // it was changed meanwhile
		if right, err = v.matches(ctx, &who, c.Password); err != nil {
			return identity.Identity{}, err
		}
	}
	if !who.known {
		return identity.Identity{}, v.unknown()
	}
	return v.decide(c, &who, right)
}

// decide returns the identity of a user whose password is right.
func (v *Verifier) decide(c *tokens.Credential, who *candidate, right bool) (identity.Identity, error) {
	k := who.record.Key
	id := identity.Identity{
		Name:      who.record.User.Name,
		Authority: identity.AuthorityDirectory,
		Method:    identity.MethodPassword,
		KeyID:     k.ID,
		KeyPrint:  k.Print(),
		NotAfter:  k.Expires,
		Networks:  k.Networks,
	}
	if !right {
		return identity.Identity{}, tokens.Reject(CodeWrong, "the password is wrong", id)
	}
	selection, err := c.UserSelection()
	if err != nil {
		return identity.Identity{}, tokens.Reject(tokens.CodeSelection, err.Error(), id)
	}
	id.Selection = selection
	id.Selection.OwnName = selection.IsZero()
	if err := tokens.CheckKey(who.record, c, id, v.cfg.Now()); err != nil {
		return identity.Identity{}, err
	}
	return id, nil
}

// unknown is what another verifier may know.
func (*Verifier) unknown() error {
	return tokens.Unknown(CodeUnknown, "no user of this name has a password, and it is no known API key")
}

// find returns whom a user name belongs to in the directory of the decision. If it is
// nobody, the error is an Unknown, or with Config.Last the candidate is one that no
// password matches.
func (v *Verifier) find(c *tokens.Credential) (candidate, error) {
	user := c.UserName()
	if c.Password == "" || user == "" {
		return candidate{}, tokens.ErrNotApplicable
	}
	s := c.Directory(v.cfg.Snapshot)
	if s == nil {
		return candidate{}, fmt.Errorf("%w: no directory is loaded", tokens.ErrUnavailable)
	}
	undecided := s.HasUnreadable(directory.KindUser) // this user may be one of them
	if u, ok := s.User(user); ok {
		digest := directory.PasswordDigest(u.ID)
		rec, ok := s.LookupKey(digest)
		if ok && rec.Key.Kind() == directory.KeyPassword {
			return candidate{record: rec, known: true, owner: u.ID.String(), hash: rec.Key.Other.PasswordHash}, nil
		}
		undecided = s.Undecided(digest)
	}
	switch {
	case undecided:
		return candidate{}, fmt.Errorf("%w: directory entries that may hold this password cannot be read", tokens.ErrUnavailable)
	case !v.cfg.Last || len(c.Password) > phc.MaxPassword:
		return candidate{}, v.unknown()
	default:
		return candidate{owner: user, hash: v.nobody}, nil
	}
}

// cacheKey names the result of a hash. What is kept must not help to find the password,
// so the key is made with a secret.
func (v *Verifier) cacheKey(who *candidate, password string) (key [sha256.Size]byte) {
	h := hmac.New(sha256.New, v.key[:])
	for _, part := range []string{who.owner, who.hash, password} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write([]byte(part))
	}
	h.Sum(key[:0])
	return key
}

// matches reports whether a password is right: from memory, or in its turn. Errors wrap
// tokens.ErrUnavailable.
func (v *Verifier) matches(ctx context.Context, who *candidate, password string) (bool, error) {
	if len(password) > phc.MaxPassword {
		return false, nil
	}
	answer, err := v.hashes.Ask(ctx, v.cacheKey(who, password), func(ctx context.Context) (backend.Answer, error) {
		right, err := v.compute(ctx, who.hash, password)
		switch {
		case err != nil:
			return backend.Answer{}, backend.Unusable(err) // says nothing about the next hash
		case !right:
			return backend.Answer{Refusal: &tokens.Reason{}}, nil
		default:
			return backend.Answer{}, nil
		}
	})
	return err == nil && answer.Refusal == nil, err
}

// errMemory: the hash needs more than all hashes may take.
var errMemory = errors.New("the hash of this password needs more memory than credentials.password.memory allows")

// compute hashes a password once there is memory for it.
func (v *Verifier) compute(ctx context.Context, hash, password string) (bool, error) {
	size := memoryOf(hash)
	if size > v.cfg.Memory {
		return false, errMemory
	}
	if err := v.memory.Acquire(ctx, size); err != nil {
		return false, fmt.Errorf("wait for memory: %w", err)
	}
	defer v.memory.Release(size)
	return phc.Matches(hash, password)
}

// bcryptMemory is that of a bcrypt hash, in bytes: its tables, rounded up.
const bcryptMemory = 8 << 10

// memoryOf returns the memory that a hash takes, in bytes.
func memoryOf(hash string) int64 {
	if a, err := phc.Parse(hash); err == nil {
		return int64(a.Memory) << 10
	}
	return bcryptMemory
}

// Recheck implements tokens.Rechecker.
func (v *Verifier) Recheck(c *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	return tokens.RecheckKey(c.Directory(v.cfg.Snapshot), c, id, directory.KeyPassword, CodeUnknown, v.cfg.Now())
}
