package password_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/phc"
	"usher/tokens"
	"usher/tokens/conformance"
	"usher/tokens/password"
)

const right, wrong = "correct horse", "battery staple"

func now() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// cheap returns an argon2id hash that takes as little time as a directory may hold.
func cheap(text string) string {
	a := phc.Argon2id{Memory: 1024, Passes: 1, Threads: 1, Salt: make([]byte, 16)}
	_, _ = rand.Read(a.Salt)
	a.Sum = argon2.IDKey([]byte(text), a.Salt, a.Passes, a.Memory, a.Threads, 32)
	return a.String()
}

func user(name, hash string, change func(*directory.User)) directory.User {
	id := directory.IDOf(directory.KindUser, name)
	u := directory.User{Name: name, ID: id, Keys: []directory.Key{{
		ID: "id-" + name, Digest: directory.PasswordDigest(id), Other: &directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: hash},
	}}}
	if change != nil {
		change(&u)
	}
	return u
}

func newSnapshot(tb testing.TB, users ...directory.User) *snapshot.Snapshot {
	tb.Helper()
	s, err := snapshot.New(directory.Records{Users: users})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newVerifier(tb testing.TB, directory func() *snapshot.Snapshot, change func(*password.Config)) *password.Verifier {
	tb.Helper()
	cfg := password.Config{Snapshot: directory, Now: now, Memory: 64 << 20, Parallel: 2, Timeout: 20 * time.Second, MaxAge: time.Minute}
	if change != nil {
		change(&cfg)
	}
	v, err := password.NewVerifier(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func codeOf(err error) string {
	var r *tokens.Reason
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

func verify(t *testing.T, v tokens.Verifier, name, text string) (identity.Identity, error) {
	t.Helper()
	id, _, err := tokens.Chain{v}.Verify(t.Context(), &tokens.Credential{User: name, Password: text}, nil)
	return id, err
}

func TestConformance(t *testing.T) {
	imported, err := bcrypt.GenerateFromPassword([]byte(right), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s := newSnapshot(t,
		user("pia", cheap(right), nil), user("max", string(imported), nil), directory.User{Name: "keys-only"},
		user("off", cheap(right), func(u *directory.User) { u.Keys[0].Disabled = true }),
		user("late", cheap(right), func(u *directory.User) { u.Keys[0].Expires = now() }),
		user("gone", cheap(right), func(u *directory.User) { u.Disabled = true }),
		user("net", cheap(right), func(u *directory.User) { u.Keys[0].Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }),
	)
	conformance.Run(t, conformance.Kind{
		New: func(t *testing.T, directory func() *snapshot.Snapshot) tokens.Verifier {
			t.Helper()
			return newVerifier(t, directory, nil)
		},
		Directory: s, OfDirectory: true,
		Method: identity.MethodPassword, Authority: identity.AuthorityDirectory,
		Good: tokens.Credential{User: "pia", Password: right},
		Bad: map[string]tokens.Credential{
			password.CodeWrong:      {User: "pia", Password: wrong},
			password.CodeUnknown:    {User: "nobody", Password: right},
			tokens.CodeKeyDisabled:  {User: "off", Password: right},
			tokens.CodeKeyExpired:   {User: "late", Password: right},
			tokens.CodeUserDisabled: {User: "gone", Password: right},
			tokens.CodeKeyNetwork:   {User: "net", Password: right, Host: "192.0.2.1"},
			tokens.CodeSelection:    {User: "pia,project=", Password: right},
		},
		Not: map[string]tokens.Credential{
			"no user name":         {Password: right},
			"no password":          {User: "pia"},
			"a token":              {AuthToken: right},
			"a selection by a key": {User: "project=shop", Password: right},
		},
		Secrets: []string{right, wrong, string(imported)},
	})

	for _, last := range []bool{false, true} {
		v := newVerifier(t, func() *snapshot.Snapshot { return s }, func(c *password.Config) { c.Last = last })
		for name, tt := range map[string]struct{ user, text, code string }{
			"bcrypt":                     {"max", right, ""},
			"bcrypt, wrong":              {"max", wrong, password.CodeWrong},
			"wrong and disabled":         {"off", wrong, password.CodeWrong}, // tells nothing of the key
			"no password in the user":    {"keys-only", right, password.CodeUnknown},
			"a longer password":          {"pia", right + "x", password.CodeWrong},
			"a shorter password":         {"pia", right[:5], password.CodeWrong},
			"a huge password":            {"pia", strings.Repeat("x", 1<<20), password.CodeWrong},
			"a huge password of nobody":  {"nobody", strings.Repeat("x", 1<<20), password.CodeUnknown},
			"with a project":             {"pia,project=shop", right, ""},
			"with a misspelt selection":  {"pia,projet=shop", right, password.CodeUnknown},
			"another case":               {"PIA", right, password.CodeUnknown},
			"the password as user name":  {right, right, password.CodeUnknown},
			"nobody, with a key's text":  {"anybody", "some-api-key", password.CodeUnknown},
			"the hash as password":       {"max", string(imported), password.CodeWrong},
			"password with a zero byte":  {"max", right + "\x00", password.CodeWrong},
			"nobody, and then once more": {"nobody", right, password.CodeUnknown},
		} {
			id, err := verify(t, v, tt.user, tt.text)
			if codeOf(err) != tt.code || tt.code == "" && (err != nil || id.Name != strings.Split(tt.user, ",")[0]) {
				t.Errorf("last %t, %s: %v, %v", last, name, id, err)
			}
		}
	}
}

// A password that is verified again needs no hash and no place; without a memory it does.
func TestMemoryOfResults(t *testing.T) {
	s := newSnapshot(t, user("pia", cheap(right), nil))
	c := &tokens.Credential{User: "pia", Password: right}
	at := now()
	v := newVerifier(t, func() *snapshot.Snapshot { return s }, func(c *password.Config) { c.Now = func() time.Time { return at } })
	if !v.Slow(c) {
		t.Error("not slow at first")
	}
	for range 3 {
		if _, err := verify(t, v, "pia", right); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := verify(t, v, "pia", wrong); codeOf(err) != password.CodeWrong || v.Slow(&tokens.Credential{User: "pia", Password: wrong}) {
		t.Errorf("a wrong password is hashed again: %v", err)
	}
	if v.Slow(c) {
		t.Error("slow although it was verified")
	}
	at = at.Add(time.Minute)
	if !v.Slow(c) {
		t.Error("remembered for too long")
	}
	at = now()
	s = newSnapshot(t, user("pia", cheap(right), nil)) // the same password, with another salt
	if !v.Slow(c) {
		t.Error("remembered past a change of the hash")
	}
	s = newSnapshot(t, user("pia", cheap(wrong), nil))
	if _, err := verify(t, v, "pia", right); codeOf(err) != password.CodeWrong {
		t.Errorf("the old password: %v", err)
	}
	off := newVerifier(t, func() *snapshot.Snapshot { return s }, func(c *password.Config) { c.MaxAge = 0 })
	if _, err := verify(t, off, "pia", wrong); err != nil || !off.Slow(&tokens.Credential{User: "pia", Password: wrong}) {
		t.Errorf("remembered without a memory: %v", err)
	}
}

// The directory of the decision is that after the hash: a password that changes meanwhile
// does not count any more.
func TestChangeDuringTheHash(t *testing.T) {
	before, after := newSnapshot(t, user("pia", cheap(right), nil)), newSnapshot(t, user("pia", cheap(wrong), nil))
	for text, code := range map[string]string{right: password.CodeWrong, wrong: ""} {
		calls := 0
		v := newVerifier(t, func() *snapshot.Snapshot {
			if calls++; calls == 1 {
				return before
			}
			return after
		}, nil)
		c := &tokens.Credential{User: "pia", Password: text}
		if _, err := v.Verify(t.Context(), c); codeOf(err) != code || c.Directory(nil) != after {
			t.Errorf("%v, want %q", err, code)
		}
	}
}

// Whoever cannot be hashed in time is not denied, and a hash that is too large for the
// configuration is not computed.
func TestNoPlace(t *testing.T) {
	s := newSnapshot(t, user("pia", cheap(right), nil))
	small := newVerifier(t, func() *snapshot.Snapshot { return s }, func(c *password.Config) { c.Memory = 1023 << 10 })
	for range 10 { // also no circuit breaker opens
		if _, err := verify(t, small, "pia", right); !errors.Is(err, tokens.ErrUnavailable) || !strings.Contains(err.Error(), "credentials.password.memory") {
			t.Errorf("got %v", err)
		}
	}
	v := newVerifier(t, func() *snapshot.Snapshot { return s }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(ctx, &tokens.Credential{User: "pia", Password: right}); err != nil && !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// Equal credentials that arrive together are hashed once.
func TestStorm(t *testing.T) {
	const clients = 4000
	s := newSnapshot(t, user("pia", cheap(right), nil))
	v := newVerifier(t, func() *snapshot.Snapshot { return s }, nil)
	var all sync.WaitGroup
	var failed atomic.Int32
	for range clients {
		all.Go(func() {
			if _, err := v.Verify(t.Context(), &tokens.Credential{User: "pia", Password: right}); err != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d failed", failed.Load(), clients)
	}
	var entries int
	for _, c := range v.Status().Caches {
		entries += c.Entries
	}
	if entries != 1 {
		t.Errorf("%d results are kept", entries)
	}
}

// BenchmarkVerify: the first verification of a password costs its hash, and the next ones
// cost no cryptography worth speaking of.
func BenchmarkVerify(b *testing.B) {
	hash, err := phc.New(right, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	s := newSnapshot(b, user("pia", hash, nil))
	for _, age := range []time.Duration{0, time.Hour} {
		b.Run(fmt.Sprintf("remembered for %s", age), func(b *testing.B) {
			v := newVerifier(b, func() *snapshot.Snapshot { return s }, func(c *password.Config) { c.MaxAge = age })
			conformance.Compare(b, func() bool {
				_, err := v.Verify(b.Context(), &tokens.Credential{User: "pia", Password: right})
				return err == nil
			}, func() bool {
				ok, err := phc.Matches(hash, right)
				return ok && err == nil
			})
		})
	}
}
