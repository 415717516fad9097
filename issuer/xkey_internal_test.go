package issuer

import (
	"fmt"
	"testing"

	"github.com/nats-io/nkeys"
)

// The cache of shared keys is bounded. A key is cached only after it has opened a
// request, so that false server keys do not fill the cache.
func TestSharedKeysAreBounded(t *testing.T) {
	x := newXKey(t)
	cached := func() int { return len(*x.shared.Load()) }
	most := 0
	for i := range 3*maxSharedKeys + 5 {
		x.cache(fmt.Sprint("server", i), new(sharedKey))
		most = max(most, cached())
	}
	if most != maxSharedKeys {
		t.Errorf("at most %d keys are cached, want %d", most, maxSharedKeys)
	}
	before := cached()
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
	if _, err := x.Open(sealed, public); err == nil || cached() != before {
		t.Errorf("a key was cached for a request that cannot be opened: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := x.Open(sealed, public); err != nil || cached() != before+1 {
		t.Errorf("%d keys after one more server, want %d: %v", cached(), before+1, err)
	}
}

// Forget evicts a key that was not used since its previous call.
func TestForget(t *testing.T) {
	x := newXKey(t)
	request := func(server nkeys.KeyPair) {
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
		request(servers[i])
	}
	for round, want := range []int{2, 1, 1, 0} {
		x.Forget()
		if n := len(*x.shared.Load()); n != want {
			t.Errorf("round %d: %d keys are cached, want %d", round, n, want)
		}
		if round < 2 {
			request(servers[0])
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
