package issuer

import (
	"fmt"
	"testing"

	"github.com/nats-io/nkeys"
)

// The kept keys are bounded, and nobody's lie is kept: a key is kept only once
// something could be opened with it.
func TestSharedKeysAreBounded(t *testing.T) {
	x := newXKey(t)
	kept := func() int { return len(*x.shared.Load()) }
	most := 0
	for i := range 3*maxSharedKeys + 5 {
		x.keep(fmt.Sprint("server", i), new(sharedKey))
		most = max(most, kept())
	}
	if most != maxSharedKeys {
		t.Errorf("%d keys are kept at most, want %d", most, maxSharedKeys)
	}
	before := kept()
	server, err := nkeys.CreateCurveKeys()
	if err != nil {
		t.Fatal(err)
	}
	public, err := server.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := server.Seal([]byte("request"), x.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := x.Open(sealed, public); err == nil || kept() != before {
		t.Errorf("a key was kept for a request that could not be opened: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := x.Open(sealed, public); err != nil || kept() != before+1 {
		t.Errorf("%d keys after one more server, want %d: %v", kept(), before+1, err)
	}
}

// A key is forgotten once a whole round has passed in which its server asked nothing.
func TestForget(t *testing.T) {
	x := newXKey(t)
	ask := func(server nkeys.KeyPair) {
		t.Helper()
		sealed, err := server.Seal([]byte("request"), x.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Open(sealed, publicKey(t, func() (nkeys.KeyPair, error) { return server, nil })); err != nil {
			t.Fatal(err)
		}
	}
	var servers [2]nkeys.KeyPair
	for i := range servers {
		var err error
		if servers[i], err = nkeys.CreateCurveKeys(); err != nil {
			t.Fatal(err)
		}
		ask(servers[i])
	}
	for round, want := range []int{2, 1, 1, 0} {
		x.Forget()
		if n := len(*x.shared.Load()); n != want {
			t.Errorf("round %d: %d keys are kept, want %d", round, n, want)
		}
		if round < 2 {
			ask(servers[0])
		}
	}
}

func newXKey(t *testing.T) *XKey {
	t.Helper()
	kp, err := nkeys.CreateCurveKeys()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := kp.Seed()
	if err != nil {
		t.Fatal(err)
	}
	x, err := NewXKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
