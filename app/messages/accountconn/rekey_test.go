package accountconn_test

import (
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/messages/accountconn"
	"usher/callout/callouttest"
	"usher/issuer"
)

// otherKey returns a keyring in which another key signs for account APP.
func otherKey(t *testing.T, k *issuer.Keyring) *issuer.Keyring {
	t.Helper()
	var held []issuer.LoadedKey
	for _, key := range k.Keys() {
		h := issuer.LoadedKey{Key: key}
		h.Signer, _ = k.Signer(key.PublicKey)
		for _, x := range k.XKeys() {
			if x.PublicKey() == key.PublicKey {
				h.XKey = x
			}
		}
		if key.Kind == issuer.KindSigning && key.Account == callouttest.AppAccount {
			successor := h
			successor.PublicKey = "A" + key.PublicKey
			h.State = issuer.StateRetiring
			held = append(held, successor)
		}
		held = append(held, h)
	}
	changed, err := issuer.NewKeyring(held, &issuer.Operator{Callout: callouttest.CalloutAccount, Accounts: k.Accounts()})
	callouttest.Must(t, err)
	return changed
}

// Once another key signs for an account, the connection into it connects again, and no other
// one does.
func TestRekey(t *testing.T) {
	t.Parallel()
	s := operatorMode(t, false)
	var mu sync.Mutex
	now, keys := time.Now(), s.keys()
	p := start(t, accountconn.Config{
		URLs: s.urls,
		Keyring: func() *issuer.Keyring {
			mu.Lock()
			defer mu.Unlock()
			return keys
		},
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		},
	})
	connect := func(account string) *nats.Conn {
		nc, err := p.Conn(within(t), account)
		callouttest.Must(t, err)
		return nc
	}
	app, other := connect(callouttest.AppAccount), connect(callouttest.OtherAccount)
	changed := otherKey(t, keys)
	mu.Lock()
	keys = changed
	mu.Unlock()
	p.Rekey()
	if app.Stats().Reconnects != 0 || !app.IsConnected() {
		t.Error("it connected again before the other replicas have the key")
	}
	mu.Lock()
	now = now.Add(11 * time.Second)
	mu.Unlock()
	p.Rekey()
	callouttest.Eventually(t, "it connected again", func() bool { return app.Stats().Reconnects == 1 && app.IsConnected() })
	p.Rekey()
	if connect(callouttest.AppAccount) != app || app.Stats().Reconnects != 1 || other.Stats().Reconnects != 0 {
		t.Errorf("reconnects: %d of the account, %d of another one", app.Stats().Reconnects, other.Stats().Reconnects)
	}
}
