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

// replica loads the seeds as one replica of the service does.
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

func refused(t *testing.T, what string, err error) {
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
	mine := replica(t, a)
	token := newToken(t, mine)
	if !strings.HasPrefix(token, "HEALTHCHECK-") || token == newToken(t, mine) {
		t.Errorf("token %q", token)
	}
	for name, k := range map[string]*issuer.Keyring{
		"the replica that made it": mine, "another replica": replica(t, a), "a replica with a second key": replica(t, b, a),
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
	refused(t, "another keyring", err)
}

func TestExpiry(t *testing.T) {
	k := replica(t, newSeed(t))
	token := newToken(t, k)
	if _, err := verify(t, k, now.Add(health.Lifetime-time.Nanosecond), token); err != nil {
		t.Errorf("just before: %v", err)
	}
	_, err := verify(t, k, now.Add(health.Lifetime), token)
	refused(t, "at its end", err)
	var r *tokens.Reason
	if errors.As(err, &r) && r.Identity.Name != health.UserName {
		t.Errorf("who it was is lost: %+v", r.Identity)
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
			refused(t, "a changed bit", err)
		}
	}
	for n := range raw {
		_, err := verify(t, k, now, health.Prefix+base64.RawURLEncoding.EncodeToString(raw[:n]))
		refused(t, "a token cut off", err)
	}
	for _, body := range []string{"", "x", "=", "\n", token, token[len(health.Prefix):] + "A", token[len(health.Prefix):] + "=", " " + token[len(health.Prefix):]} {
		_, err := verify(t, k, now, health.Prefix+body)
		refused(t, "body "+body, err)
	}
}

func TestOthersTokens(t *testing.T) {
	k := replica(t, newSeed(t))
	token := newToken(t, k)
	for _, other := range []string{"", "x", strings.ToLower(token), " " + token, token[1:], "HEALTHCHECK"} {
		if _, err := verify(t, k, now, other); !errors.Is(err, tokens.ErrNotApplicable) {
			t.Errorf("%q: got %v", other, err)
		}
	}
}

// A signature that the issuer key makes elsewhere is none here, whoever chose
// what was signed: a health check signs under a name of its own.
//
// Attack: a signature that the issuer key made elsewhere is taken for a health check's
// Held by: a health check signs under a name of its own
func TestDomains(t *testing.T) {
	seed := newSeed(t)
	k := replica(t, seed)
	s := k.Signers()[0]
	raw, err := base64.RawURLEncoding.DecodeString(newToken(t, k)[len(health.Prefix):])
	must(t, err)
	signed := raw[:len(raw)-64]
	sig, err := s.Sign(t.Context(), signed) // the same bytes, without the name
	must(t, err)
	_, err = verify(t, k, now, health.Prefix+base64.RawURLEncoding.EncodeToString(append(bytes.Clone(signed), sig...)))
	refused(t, "a bare signature", err)

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
		refused(t, "the signature of a user JWT", err)
	}
	_, err = verify(t, k, now, health.Prefix+text)
	refused(t, "a user JWT", err)

	// And the other way: what a health check signs is never the text of a JWT.
	public, err := nkeys.FromPublicKey(s.PublicKey())
	must(t, err)
	if public.Verify(signed, raw[len(raw)-64:]) == nil {
		t.Error("the token's signature is one of its bytes alone")
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

func (brokenSigner) Sign(context.Context, []byte) ([]byte, error) { return nil, errors.New("away") }

func TestNewFails(t *testing.T) {
	s := replica(t, newSeed(t)).Signers()[0]
	if token, err := health.New(t.Context(), s, iotest.ErrReader(errors.New("dry")), now); err == nil || token != "" {
		t.Errorf("without randomness: got %q, %v", token, err)
	}
	if token, err := health.New(t.Context(), brokenSigner{s}, rand.Reader, now); err == nil || token != "" {
		t.Errorf("without a signature: got %q, %v", token, err)
	}
}
