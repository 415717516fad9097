package box_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/sharedkey"
	"usher/issuer/sharedkey/box"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func newSeed(tb testing.TB) []byte {
	tb.Helper()
	kp, err := nkeys.CreateAccount()
	must(tb, err)
	seed, err := kp.Seed()
	must(tb, err)
	return seed
}

// ring returns the keyring of these seeds, the oldest first.
func ring(tb testing.TB, seeds ...[]byte) *issuer.Keyring {
	tb.Helper()
	dir := tb.TempDir()
	for i, seed := range seeds {
		file := filepath.Join(dir, string(rune('a'+i))+keyring.SeedSuffix)
		must(tb, os.WriteFile(file, seed, 0o600))
	}
	k, err := keyring.Load(dir, keyring.Config{})
	must(tb, err)
	return k
}

// replica has a keyring that can be replaced.
type replica struct {
	*box.Box

	ring *issuer.Keyring
	now  time.Time
}

func newReplica(k *issuer.Keyring, purpose string) *replica {
	r := &replica{ring: k, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	keys := sharedkey.New(func() *issuer.Keyring { return r.ring }, purpose, func() time.Time { return r.now })
	r.Box = box.New(keys, rand.Reader)
	return r
}

const value, place = "3f1c", "project/subscription"

func (r *replica) seal(tb testing.TB) []byte {
	tb.Helper()
	sealed, err := r.Seal(tb.Context(), []byte(value), place)
	must(tb, err)
	return sealed
}

func (r *replica) opens(tb testing.TB, sealed []byte) bool {
	tb.Helper()
	got, err := r.Open(tb.Context(), sealed, place)
	if err != nil && !errors.Is(err, box.ErrSealed) {
		tb.Fatal(err)
	}
	if err == nil && string(got) != value {
		tb.Fatalf("opened as %q", got)
	}
	return err == nil
}

// A value survives the replacement of a key if it is sealed again in between, and not else.
func TestReplace(t *testing.T) {
	t.Parallel()
	first, second := newSeed(t), newSeed(t)
	one, both, two := ring(t, first), ring(t, first, second), ring(t, second)
	r := newReplica(one, "push")
	old := r.seal(t)
	if !r.Fresh(old) || !r.opens(t, old) {
		t.Fatal("a value is not good for the keyring that sealed it")
	}
	r.ring = both
	if r.Fresh(old) || !r.opens(t, old) {
		t.Error("a value of one of two keys must open, and be sealed again")
	}
	again := r.seal(t)
	for name, k := range map[string]*issuer.Keyring{"first": one, "both": both, "second": two} {
		if !newReplica(k, "push").opens(t, again) {
			t.Errorf("%s: a value sealed for both does not open", name)
		}
	}
	r.ring = two
	if r.Fresh(again) {
		t.Error("a value sealed for a key that is gone is fresh")
	}
	r.now = r.now.Add(2 * time.Minute)
	if r.opens(t, old) {
		t.Error("a value of a key that is gone opens")
	}
	if signer := two.Signers()[0].PublicKey(); box.SealedFor(old, signer) || !box.SealedFor(again, signer) {
		t.Error("SealedFor is wrong")
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	seed := newSeed(t)
	r := newReplica(ring(t, seed), "push")
	sealed := r.seal(t)
	if newReplica(ring(t, seed), "other").opens(t, sealed) || newReplica(ring(t, newSeed(t)), "push").opens(t, sealed) {
		t.Error("a value opens for another purpose or keyring")
	}
	if _, err := r.Open(t.Context(), sealed, "project/other"); !errors.Is(err, box.ErrSealed) {
		t.Errorf("a value opens in another place: %v", err)
	}
	if bytes.Equal(sealed, r.seal(t)) {
		t.Error("two values are sealed with the same randomness")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if r.opens(t, bad) || r.opens(t, sealed[:i]) {
			t.Fatalf("byte %d: a changed value opens", i)
		}
	}
}

func FuzzOpen(f *testing.F) {
	r := newReplica(ring(f, newSeed(f), newSeed(f)), "push")
	sealed := r.seal(f)
	f.Add([]byte{})
	f.Add([]byte{1, 0})
	f.Add([]byte{1, 255, 3})
	f.Add(sealed)
	f.Add(append([]byte{1, 2}, make([]byte, 2*68+28)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		if r.opens(t, in) != bytes.Equal(in, sealed) {
			t.Errorf("%x", in)
		}
		r.Fresh(in)
	})
}
