package health_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/identity"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/tokens"
	"usher/tokens/health"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

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

// replica returns the keyring of a replica with these seeds.
func replica(t *testing.T, seeds ...string) *issuer.Keyring {
	t.Helper()
	dir := t.TempDir()
	for i, seed := range seeds {
		must(t, os.WriteFile(filepath.Join(dir, string(rune('a'+i))+keyring.SeedSuffix), []byte(seed), 0o600))
	}
	k, err := keyring.Load(dir, keyring.Config{})
	must(t, err)
	return k
}

func verify(t *testing.T, k *issuer.Keyring, at time.Time, token string) (identity.Identity, error) {
	t.Helper()
	v := health.NewVerifier(func() *issuer.Keyring { return k }, func() time.Time { return at })
	return v.Verify(t.Context(), &tokens.Credential{AuthToken: token})
}

func mustReject(t *testing.T, what string, err error) {
	t.Helper()
	var r *tokens.Reason
	if !errors.As(err, &r) || !errors.Is(err, tokens.ErrRejected) || r.Code != health.CodeInvalid {
		t.Errorf("%s: got %v", what, err)
	}
}

func newToken(t *testing.T, k *issuer.Keyring) string {
	t.Helper()
	token, err := health.New(t.Context(), k.Signers()[0], rand.Reader, now)
	must(t, err)
	return token
}

func TestToken(t *testing.T) {
	a, b := newSeed(t), newSeed(t)
	own := replica(t, a)
	token := newToken(t, own)
	if !strings.HasPrefix(token, "HEALTHCHECK-") || token == newToken(t, own) {
		t.Errorf("token %q", token)
	}
	for name, k := range map[string]*issuer.Keyring{
		"the replica that created it": own, "another replica": replica(t, a), "a replica with a second key": replica(t, b, a),
	} {
		id, err := verify(t, k, now, token)
		want := identity.Identity{
			Name: health.UserName, Authority: identity.AuthorityUsher, Method: identity.MethodHealthCheck, NotAfter: now.Add(health.Lifetime),
		}
		if err != nil || id.Name != want.Name || id.Authority != want.Authority || id.Method != want.Method || !id.NotAfter.Equal(want.NotAfter) {
			t.Errorf("%s: got %+v, %v", name, id, err)
		}
		if id.KeyID != "" || !id.Selection.IsZero() {
			t.Errorf("%s: got %+v", name, id)
		}
	}
	_, err := verify(t, replica(t, b), now, token)
	mustReject(t, "another keyring", err)
}

func TestExpiry(t *testing.T) {
	k := replica(t, newSeed(t))
	token := newToken(t, k)
	if _, err := verify(t, k, now.Add(health.Lifetime-time.Nanosecond), token); err != nil {
		t.Errorf("just before the end: %v", err)
	}
	_, err := verify(t, k, now.Add(health.Lifetime), token)
	mustReject(t, "at the end", err)
	var r *tokens.Reason
	if errors.As(err, &r) && r.Identity.Name != health.UserName {
		t.Errorf("the identity is lost: %+v", r.Identity)
	}
}

func TestEveryChange(t *testing.T) {
	k := replica(t, newSeed(t))
	token := newToken(t, k)
	raw, err := base64.RawURLEncoding.DecodeString(token[len(health.Prefix):])
	must(t, err)
	for i := range raw {
		for _, bit := range []byte{1, 0x80} {
			changed := bytes.Clone(raw)
			changed[i] ^= bit
			_, err := verify(t, k, now, health.Prefix+base64.RawURLEncoding.EncodeToString(changed))
			mustReject(t, "a changed bit", err)
		}
	}
	for n := range raw {
		_, err := verify(t, k, now, health.Prefix+base64.RawURLEncoding.EncodeToString(raw[:n]))
		mustReject(t, "a truncated token", err)
	}
	for _, body := range []string{"", "x", "=", "\n", token, token[len(health.Prefix):] + "A", token[len(health.Prefix):] + "=", " " + token[len(health.Prefix):]} {
		_, err := verify(t, k, now, health.Prefix+body)
		mustReject(t, "body "+body, err)
	}
}

func TestOtherTokens(t *testing.T) {
	k := replica(t, newSeed(t))
	token := newToken(t, k)
	for _, other := range []string{"", "x", strings.ToLower(token), " " + token, token[1:], "HEALTHCHECK"} {
		if _, err := verify(t, k, now, other); !errors.Is(err, tokens.ErrNotApplicable) {
			t.Errorf("%q: got %v", other, err)
		}
	}
}

// A signature of the issuer key for another purpose does not make a token, even if an
// attacker chose the signed bytes: health-check signatures have a domain of their own.
//
// Attack: a signature that the issuer key made for another purpose is accepted as a health-check token
// Held by: health-check signatures have a domain prefix of their own
func TestDomains(t *testing.T) {
	seed := newSeed(t)
	k := replica(t, seed)
	s := k.Signers()[0]
	raw, err := base64.RawURLEncoding.DecodeString(newToken(t, k)[len(health.Prefix):])
	must(t, err)
	signed := raw[:len(raw)-64]
	sig, err := s.Sign(t.Context(), signed) // the same bytes without the domain
	must(t, err)
	_, err = verify(t, k, now, health.Prefix+base64.RawURLEncoding.EncodeToString(append(bytes.Clone(signed), sig...)))
	mustReject(t, "a bare signature", err)

	kp, err := nkeys.FromSeed([]byte(seed))
	must(t, err)
	_, user := nkeyUser(t)
	text, err := jwt.NewUserClaims(user).Encode(kp)
	must(t, err)
	parts := strings.Split(text, ".")
	jwtSig, err := base64.RawURLEncoding.DecodeString(parts[2])
	must(t, err)
	for _, message := range [][]byte{signed, []byte(parts[0] + "." + parts[1])[:len(signed)]} {
		_, err = verify(t, k, now, health.Prefix+base64.RawURLEncoding.EncodeToString(append(bytes.Clone(message), jwtSig...)))
		mustReject(t, "the signature of a user JWT", err)
	}
	_, err = verify(t, k, now, health.Prefix+text)
	mustReject(t, "a user JWT", err)

	// The reverse: the signature of a token does not verify without the domain.
	public, err := nkeys.FromPublicKey(s.PublicKey())
	must(t, err)
	if public.Verify(signed, raw[len(raw)-64:]) == nil {
		t.Error("the signature of the token verifies without the domain")
	}
}

func nkeyUser(t *testing.T) (nkeys.KeyPair, string) {
	t.Helper()
	kp, err := nkeys.CreateUser()
	must(t, err)
	public, err := kp.PublicKey()
	must(t, err)
	return kp, public
}

type brokenSigner struct{ issuer.Signer }

func (brokenSigner) Sign(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("no signer")
}

func TestNewFails(t *testing.T) {
	s := replica(t, newSeed(t)).Signers()[0]
	if token, err := health.New(t.Context(), s, iotest.ErrReader(errors.New("no randomness")), now); err == nil || token != "" {
		t.Errorf("without randomness: got %q, %v", token, err)
	}
	if token, err := health.New(t.Context(), brokenSigner{s}, rand.Reader, now); err == nil || token != "" {
		t.Errorf("without a signature: got %q, %v", token, err)
	}
}
