package issuer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
	"usher/issuer"
)

func TestSignerMatchesNkeys(t *testing.T) {
	for _, prefix := range []nkeys.PrefixByte{nkeys.PrefixByteAccount, nkeys.PrefixByteOperator, nkeys.PrefixByteUser} {
		seed, public := seedOf(t, prefix)
		s, err := issuer.NewSigner([]byte(seed))
		must(t, err)
		if s.PublicKey() != public {
			t.Errorf("public key %s, want %s", s.PublicKey(), public)
		}
		kp, err := nkeys.FromSeed([]byte(seed))
		must(t, err)
		for _, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("data"), 1000)} {
			got, err := s.Sign(t.Context(), data)
			must(t, err)
			want, err := kp.Sign(data)
			must(t, err)
			if !bytes.Equal(got, want) || kp.Verify(data, got) != nil {
				t.Errorf("%s: signature differs from that of nkeys", prefix)
			}
		}
	}
}

func TestSignerRefuses(t *testing.T) {
	curve, _ := seedOf(t, nkeys.PrefixByteCurve)
	_, public := seedOf(t, nkeys.PrefixByteAccount)
	for _, seed := range []string{"", "S", curve, public} {
		if _, err := issuer.NewSigner([]byte(seed)); err == nil {
			t.Errorf("NewSigner accepts %.4q…", seed)
		}
	}
	account, _ := seedOf(t, nkeys.PrefixByteAccount)
	for _, seed := range []string{"", account, public} {
		if _, err := issuer.NewXKey([]byte(seed)); err == nil {
			t.Errorf("NewXKey accepts %.4q…", seed)
		}
	}
}

// A Signer keeps its expanded key: the seed may be wiped, and Sign does not derive the
// key again.
func TestSignerKeepsExpandedKey(t *testing.T) {
	text, public := seedOf(t, nkeys.PrefixByteAccount)
	seed := []byte(text)
	s, err := issuer.NewSigner(seed)
	must(t, err)
	clear(seed)
	sig, err := s.Sign(t.Context(), []byte("data"))
	must(t, err)
	kp, err := nkeys.FromPublicKey(public)
	must(t, err)
	must(t, kp.Verify([]byte("data"), sig))

	data := bytes.Repeat([]byte("x"), 1000)
	allocs := testing.AllocsPerRun(50, func() { _, _ = s.Sign(context.Background(), data) })
	kp, err = nkeys.FromSeed([]byte(text))
	must(t, err)
	derived := testing.AllocsPerRun(50, func() { _, _ = kp.Sign(data) })
	if allocs > 1 || allocs >= derived {
		t.Errorf("Sign allocates %v times; nkeys, which derives its key each time, allocates %v times", allocs, derived)
	}
	if n := testing.AllocsPerRun(50, func() { s.PublicKey() }); n > 0 {
		t.Errorf("PublicKey allocates %v times", n)
	}
}

// newXKeyPair returns an xkey of usher and the xkey of a server.
func newXKeyPair(t *testing.T) (x *issuer.XKey, server nkeys.KeyPair, serverPublic string) {
	t.Helper()
	seed, public := seedOf(t, nkeys.PrefixByteCurve)
	x, err := issuer.NewXKey([]byte(seed))
	must(t, err)
	if x.PublicKey() != public {
		t.Fatalf("public key %s, want %s", x.PublicKey(), public)
	}
	server, err = nkeys.CreateCurveKeys()
	must(t, err)
	serverPublic, err = server.PublicKey()
	must(t, err)
	return x, server, serverPublic
}

func TestXKeyMatchesNkeys(t *testing.T) {
	x, server, public := newXKeyPair(t)
	for range 2 { // the shared key is derived, then cached
		for _, plain := range []string{"", "x", string(bytes.Repeat([]byte("request"), 1000))} {
			sealed, err := server.Seal([]byte(plain), x.PublicKey())
			must(t, err)
			got, err := x.Open(sealed, public)
			if err != nil || string(got) != plain {
				t.Errorf("opened %.10q, %v", got, err)
			}
			sealed, err = x.Seal([]byte(plain), public, rand.Reader)
			must(t, err)
			got, err = server.Open(sealed, x.PublicKey())
			if err != nil || string(got) != plain {
				t.Errorf("the server opened %.10q, %v", got, err)
			}
		}
	}
	a, err := x.Seal([]byte("x"), public, rand.Reader)
	must(t, err)
	b, err := x.Seal([]byte("x"), public, rand.Reader)
	must(t, err)
	if bytes.Equal(a, b) {
		t.Error("the nonce repeats")
	}
}

func TestXKeyRefuses(t *testing.T) {
	x, server, public := newXKeyPair(t)
	other, _, otherPublic := newXKeyPair(t)
	sealed, err := server.Seal([]byte("request"), x.PublicKey())
	must(t, err)
	refuse := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, issuer.ErrNotForThisKey) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for range 2 { // before the shared key is cached, and after
		for i := range sealed {
			for _, bit := range []byte{1, 0x80} {
				changed := bytes.Clone(sealed)
				changed[i] ^= bit
				_, err := x.Open(changed, public)
				refuse(fmt.Sprintf("byte %d modified", i), err)
			}
		}
		for n := range len(sealed) {
			_, err := x.Open(sealed[:n], public)
			refuse(fmt.Sprintf("%d bytes", n), err)
		}
		_, err = x.Open(append(bytes.Clone(sealed), 0), public)
		refuse("one extra byte", err)
		_, err = other.Open(sealed, public)
		refuse("another xkey", err)
		_, err = x.Open(sealed, otherPublic)
		refuse("another server", err)
		_, err = x.Open([]byte("eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.c2lnbmF0dXJlc2lnbmF0dXJl"), public)
		refuse("an unencrypted request", err)
		_, err = x.Open(sealed, public)
		must(t, err)
	}
	_, account := seedOf(t, nkeys.PrefixByteAccount)
	for _, bad := range []string{"", "X", account, public[:len(public)-1], public[:len(public)-8], public + "AAAAAAAA", "X" + account[1:]} {
		if _, err := x.Open(sealed, bad); err == nil {
			t.Errorf("opened for %q", bad)
		}
		if _, err := x.Seal([]byte("x"), bad, rand.Reader); err == nil {
			t.Errorf("sealed for %q", bad)
		}
	}
	if _, err := x.Seal([]byte("x"), public, iotest.ErrReader(errors.New("no entropy"))); err == nil {
		t.Error("sealed without randomness")
	}
}

// More servers than the cache holds still work, with concurrent requests.
func TestXKeyManyServers(t *testing.T) {
	x, _, _ := newXKeyPair(t)
	const servers, workers = 1100, 4
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range servers / workers {
				kp, err := nkeys.CreateCurveKeys()
				if err != nil {
					t.Error(err)
					return
				}
				public, _ := kp.PublicKey()
				for range 2 {
					sealed, err := kp.Seal([]byte("request"), x.PublicKey())
					if err != nil {
						t.Error(err)
						return
					}
					plain, err := x.Open(sealed, public)
					if err != nil || string(plain) != "request" {
						t.Errorf("worker %d: %q, %v", w, plain, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

var (
	seedOf = callouttest.NewSeed
	must   = callouttest.Must
)

// An xkey in another form than the usual one is not accepted: each would be cached.
func TestXKeyInOneForm(t *testing.T) {
	x, server, public := newXKeyPair(t)
	sealed, err := server.Seal([]byte("request"), x.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{public + "\n", "\r\n" + public, public[:7] + "\r" + public[7:], public + "A"} {
		if _, err := x.Open(sealed, form); !errors.Is(err, nkeys.ErrInvalidCurveKey) {
			t.Errorf("%q: %v", form, err)
		}
	}
	if _, err := x.Open(sealed, public); err != nil {
		t.Error(err)
	}
}
