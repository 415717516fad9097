package sharedkey_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/sharedkey"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func newSeed(t *testing.T) string {
	t.Helper()
	kp, err := nkeys.CreateAccount()
	must(t, err)
	seed, err := kp.Seed()
	must(t, err)
	return string(seed)
}

// ring returns the keyring of a replica with these seeds, the oldest first.
func ring(t *testing.T, seeds ...string) *issuer.Keyring {
	t.Helper()
	dir := t.TempDir()
	for i, seed := range seeds {
		file := filepath.Join(dir, string(rune('z'-i))+keyring.SeedSuffix)
		must(t, os.WriteFile(file, []byte(seed), 0o600))
		written := time.Now().Add(time.Duration(i-len(seeds)) * time.Hour)
		must(t, os.Chtimes(file, written, written))
	}
	k, err := keyring.Load(dir, keyring.Config{})
	must(t, err)
	return k
}

// replica is what derives secrets from a keyring that can be replaced.
type replica struct {
	*sharedkey.Keys

	ring *issuer.Keyring
	now  time.Time
}

func newReplica(k *issuer.Keyring, purpose string) *replica {
	r := &replica{ring: k, now: time.Now()}
	r.Keys = sharedkey.New(func() *issuer.Keyring { return r.ring }, purpose, func() time.Time { return r.now })
	return r
}

func (r *replica) seal(t *testing.T) []byte {
	t.Helper()
	key, err := r.Seal(t.Context())
	must(t, err)
	return key
}

func (r *replica) opens(t *testing.T, key []byte) bool {
	t.Helper()
	return slices.ContainsFunc(r.Open(t.Context()), func(k []byte) bool { return bytes.Equal(k, key) })
}

// Replicas with a common key understand each other all the time while it is replaced.
func TestReplace(t *testing.T) {
	t.Parallel()
	first, second := newSeed(t), newSeed(t)
	a, b := newReplica(ring(t, first), "sessions"), newReplica(ring(t, first), "sessions")
	agree := func(when string) {
		t.Helper()
		if !a.opens(t, b.seal(t)) || !b.opens(t, a.seal(t)) {
			t.Error(when)
		}
	}
	agree("with one key")
	a.ring = ring(t, first, second)
	agree("one has the new key")
	b.ring = ring(t, first, second)
	agree("both have both")
	old := a.seal(t)
	a.ring = ring(t, second)
	agree("one has the new key only")
	b.ring = ring(t, second)
	agree("both have the new key only")
	a.now = a.now.Add(2 * time.Minute)
	if a.opens(t, old) {
		t.Error("the secret of a key that is gone opens for ever")
	}
	agree("later")
}

func TestPurposes(t *testing.T) {
	t.Parallel()
	k := ring(t, newSeed(t))
	one, two, other := newReplica(k, "sessions"), newReplica(k, "ack"), newReplica(ring(t, newSeed(t)), "sessions")
	if bytes.Equal(one.seal(t), two.seal(t)) || one.opens(t, two.seal(t)) || one.opens(t, other.seal(t)) || len(one.seal(t)) != sharedkey.Size {
		t.Error("a secret is good for another purpose, or with another keyring")
	}
}
