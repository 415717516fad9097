package nkey_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/directory/snapshot"
	"usher/tokens"
	"usher/tokens/conformance"
	"usher/tokens/nkey"
)

func codeOf(err error) string {
	var r *tokens.Reason
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

// malleate returns another signature of the same text by adding the order of the group
// to S. RFC 8032 section 5.1.7 forbids it.
func malleate(signature []byte) string {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := slices.Clone(signature[32:])
	slices.Reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	return base64.RawURLEncoding.EncodeToString(append(slices.Clone(signature[:32]), sum...))
}

// A signature is accepted only if it is the one that the key made, in one of the two
// encodings.
func FuzzSignature(f *testing.F) {
	user := newSigner(f, nkeys.PrefixByteUser)
	signature := user.sign(f, nonce)
	url, std := base64.RawURLEncoding.EncodeToString(signature), base64.StdEncoding.EncodeToString(signature)
	for _, seed := range []string{url, std, url + "==", url[1:], "\n" + url[1:], malleate(signature), "", "====", std[:86] + "\n\n"} {
		f.Add(seed, user.public)
	}
	f.Add(url, "U"+user.public[1:])
	f.Add(url, "")
	s := newSnapshot(f, userWith("pia", user, nil))
	v := nkey.NewVerifier(func() *snapshot.Snapshot { return s }, now)
	f.Fuzz(func(t *testing.T, sig, public string) {
		_, _, err := tokens.Chain{v}.Verify(t.Context(), &tokens.Credential{NKey: public, Signature: sig, Nonce: nonce}, nil)
		if err != nil && !errors.Is(err, tokens.ErrRejected) && !errors.Is(err, tokens.ErrNotApplicable) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		decoded, err := base64.RawURLEncoding.DecodeString(sig)
		if err != nil {
			decoded, err = base64.StdEncoding.DecodeString(sig)
		}
		if err != nil || !slices.Equal(decoded, signature) || public != user.public {
			t.Fatalf("accepted %q of %q", sig, public)
		}
	})
}

// BenchmarkVerify compares with an ed25519 verification alone.
func BenchmarkVerify(b *testing.B) {
	user := newSigner(b, nkeys.PrefixByteUser)
	s := newSnapshot(b, userWith("pia", user, nil))
	v := nkey.NewVerifier(func() *snapshot.Snapshot { return s }, now)
	c := user.credential(b, nonce)
	raw, err := nkeys.Decode(nkeys.PrefixByteUser, []byte(user.public))
	if err != nil {
		b.Fatal(err)
	}
	signature := user.sign(b, nonce)
	conformance.Compare(b, func() bool {
		copied := c
		_, err := v.Verify(b.Context(), &copied)
		return err == nil
	}, func() bool { return ed25519.Verify(raw, []byte(nonce), signature) })
}
