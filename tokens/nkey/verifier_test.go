package nkey_test

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/conformance"
	"usher/tokens/nkey"
)

const nonce = "CAGu84mlQjtqYzI"

func now() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// signer is a user nkey.
type signer struct {
	kp     nkeys.KeyPair
	public string
}

func newSigner(tb testing.TB, prefix nkeys.PrefixByte) signer {
	tb.Helper()
	kp, err := nkeys.CreatePair(prefix)
	if err != nil {
		tb.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		tb.Fatal(err)
	}
	return signer{kp, public}
}

func (s signer) sign(tb testing.TB, text string) []byte {
	tb.Helper()
	sig, err := s.kp.Sign([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return sig
}

// credential returns what a client sends that signs text, if the nonce was nonce.
func (s signer) credential(tb testing.TB, text string) tokens.Credential {
	tb.Helper()
	return tokens.Credential{NKey: s.public, Nonce: nonce, Signature: base64.RawURLEncoding.EncodeToString(s.sign(tb, text)), Host: "10.1.2.3"}
}

func newSnapshot(tb testing.TB, users ...directory.User) *snapshot.Snapshot {
	tb.Helper()
	s, err := snapshot.New(directory.Records{Users: users})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func userWith(name string, s signer, more func(*directory.Key)) directory.User {
	k := directory.Key{ID: "id-" + name, Digest: directory.NKeyDigest(s.public), Other: &directory.OtherKey{Kind: directory.KeyNKey, NKey: s.public}}
	if more != nil {
		more(&k)
	}
	return directory.User{Name: name, Keys: []directory.Key{k}}
}

func TestConformance(t *testing.T) {
	user := func() signer { return newSigner(t, nkeys.PrefixByteUser) }
	good, stranger, off, late, gone, account := user(), user(), user(), user(), user(), newSigner(t, nkeys.PrefixByteAccount)
	disabled := userWith("gone", gone, nil)
	disabled.Disabled = true
	s := newSnapshot(t,
		userWith("pia", good, func(k *directory.Key) { k.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }),
		userWith("off", off, func(k *directory.Key) { k.Disabled = true }),
		userWith("late", late, func(k *directory.Key) { k.Expires = now() }),
		disabled,
	)
	with := func(c tokens.Credential, change func(*tokens.Credential)) tokens.Credential {
		change(&c)
		return c
	}
	conformance.Run(t, conformance.Kind{
		New: func(_ *testing.T, directory func() *snapshot.Snapshot) tokens.Verifier {
			return nkey.NewVerifier(directory, now)
		},
		Directory: s, OfDirectory: true,
		Method: identity.MethodNKey, Authority: identity.AuthorityDirectory,
		Good: good.credential(t, nonce),
		Bad: map[string]tokens.Credential{
			nkey.CodeUnknown:        stranger.credential(t, nonce),
			nkey.CodeUnsigned:       {NKey: good.public},
			nkey.CodeSignature:      good.credential(t, "the nonce of another connection"),
			tokens.CodeKeyDisabled:  off.credential(t, nonce),
			tokens.CodeKeyExpired:   late.credential(t, nonce),
			tokens.CodeUserDisabled: gone.credential(t, nonce),
			tokens.CodeKeyNetwork:   with(good.credential(t, nonce), func(c *tokens.Credential) { c.Host = "192.0.2.1" }),
			tokens.CodeSelection:    with(good.credential(t, nonce), func(c *tokens.Credential) { c.User = "account=" }),
		},
		Not: map[string]tokens.Credential{
			"a signed sentinel": {NATSJWT: "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.e30", Signature: good.credential(t, nonce).Signature, Nonce: nonce},
			"a token":           {AuthToken: good.public},
		},
		Secrets: []string{good.credential(t, nonce).Signature},
	})

	v := nkey.NewVerifier(func() *snapshot.Snapshot { return s }, now)
	signature := good.sign(t, nonce)
	url := base64.RawURLEncoding.EncodeToString(signature)
	for name, tt := range map[string]struct {
		c    tokens.Credential
		code string // empty: verified
	}{
		"standard base64":            {with(good.credential(t, nonce), func(c *tokens.Credential) { c.Signature = base64.StdEncoding.EncodeToString(signature) }), ""},
		"no nonce":                   {with(good.credential(t, ""), func(c *tokens.Credential) { c.Nonce = "" }), nkey.CodeUnsigned},
		"no signature":               {tokens.Credential{NKey: good.public, Nonce: nonce}, nkey.CodeUnsigned},
		"a replay":                   {with(good.credential(t, nonce), func(c *tokens.Credential) { c.Nonce = "AnotherNonce123" }), nkey.CodeSignature},
		"another's signature":        {with(stranger.credential(t, nonce), func(c *tokens.Credential) { c.NKey = good.public }), nkey.CodeSignature},
		"a short signature":          {with(good.credential(t, nonce), func(c *tokens.Credential) { c.Signature = url[:80] }), nkey.CodeSignature},
		"a long signature":           {with(good.credential(t, nonce), func(c *tokens.Credential) { c.Signature = url + "AA" }), nkey.CodeSignature},
		"a huge signature":           {with(good.credential(t, nonce), func(c *tokens.Credential) { c.Signature = strings.Repeat("A", 1<<20) }), nkey.CodeSignature},
		"not base64":                 {with(good.credential(t, nonce), func(c *tokens.Credential) { c.Signature = strings.Repeat("!", len(url)) }), nkey.CodeSignature},
		"S plus the order":           {with(good.credential(t, nonce), func(c *tokens.Credential) { c.Signature = malleate(signature) }), nkey.CodeSignature},
		"another form of the nkey":   {with(good.credential(t, nonce), func(c *tokens.Credential) { c.NKey = good.public[:55] + "\n" + good.public[55:] }), nkey.CodeUnknown},
		"lower case":                 {with(good.credential(t, nonce), func(c *tokens.Credential) { c.NKey = strings.ToLower(c.NKey) }), nkey.CodeUnknown},
		"a huge nkey":                {with(good.credential(t, nonce), func(c *tokens.Credential) { c.NKey = strings.Repeat("U", 1<<20) }), nkey.CodeUnknown},
		"the nkey of an account":     {account.credential(t, nonce), nkey.CodeUnknown},
		"an API key beside it":       {with(good.credential(t, nonce), func(c *tokens.Credential) { c.AuthToken = "whatever" }), ""},
		"a name and a project":       {with(good.credential(t, nonce), func(c *tokens.Credential) { c.User = "pia,project=shop" }), ""},
		"the signature of the empty": {with(good.credential(t, ""), func(*tokens.Credential) {}), nkey.CodeSignature},
	} {
		id, _, err := tokens.Chain{v}.Verify(t.Context(), &tt.c, nil)
		switch {
		case tt.code == "" && (err != nil || id.Name != "pia" || id.KeyID != "id-pia"):
			t.Errorf("%s: %+v, %v", name, id, err)
		case tt.code != "" && codeOf(err) != tt.code:
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
}
