// Package health creates and verifies the tokens of usher's own health check. A token
// is signed with the issuer key, which the replicas share, so every replica accepts
// the tokens of the others without any exchange (docs/adr).
package health

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"usher/identity"
	"usher/issuer"
	"usher/tokens"
)

// Prefix is the prefix of every health-check token, as in Chef Automate's event gateway.
const Prefix = "HEALTHCHECK-"

// UserName is the user name of the identity that Verify returns.
const UserName = "usher-healthcheck"

// Lifetime is how long a token is valid. The service writes a new one well before the end.
const Lifetime = 24 * time.Hour

// CodeInvalid is the code for a token with Prefix that this keyring did not sign, or
// that has expired.
const CodeInvalid = "healthcheck_invalid"

// domain separates these signatures from every other use of the key.
const domain = "usher health check v1\x00"

const (
	randomBytes = 20
	expiryBytes = 8
	signedBytes = randomBytes + expiryBytes
	totalBytes  = signedBytes + ed25519.SignatureSize
)

// New returns a token that is valid until now + Lifetime: Prefix, then base64url
// of 20 random bytes, the Unix time of expiry (8 bytes, big endian), and the
// signature of both.
func New(ctx context.Context, s issuer.Signer, random io.Reader, now time.Time) (string, error) {
	raw := make([]byte, signedBytes, totalBytes)
	if _, err := io.ReadFull(random, raw[:randomBytes]); err != nil {
		return "", fmt.Errorf("make health-check token: %w", err)
	}
	binary.BigEndian.PutUint64(raw[randomBytes:], uint64(now.Add(Lifetime).Unix())) //nolint:gosec // after 1970
	sig, err := s.Sign(ctx, append([]byte(domain), raw...))
	if err != nil {
		return "", fmt.Errorf("sign health-check token: %w", err)
	}
	return Prefix + base64.RawURLEncoding.EncodeToString(append(raw, sig...)), nil
}

// Verifier verifies health-check tokens that any issuer key of the keyring has signed.
type Verifier struct {
	keyring func() *issuer.Keyring
	now     func() time.Time
}

// NewVerifier returns a Verifier.
func NewVerifier(keyring func() *issuer.Keyring, now func() time.Time) *Verifier {
	return &Verifier{keyring: keyring, now: now}
}

// Name returns "healthcheck".
func (*Verifier) Name() string { return "healthcheck" }

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	body, found := strings.CutPrefix(c.Token(), Prefix)
	if !found {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) != totalBytes || !v.validSignature(raw) {
		return identity.Identity{}, tokens.Reject(CodeInvalid, "not a health-check token of this keyring", identity.Identity{})
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(raw[randomBytes:signedBytes])), 0) //nolint:gosec // signed by us
	id := identity.Identity{
		Name:      UserName,
		Authority: identity.AuthorityUsher,
		Method:    identity.MethodHealthCheck,
		NotAfter:  expires,
	}
	if !v.now().Before(expires) {
		return identity.Identity{}, tokens.Reject(CodeInvalid, "the health-check token has expired", id)
	}
	return id, nil
}

func (v *Verifier) validSignature(raw []byte) bool {
	message := append([]byte(domain), raw[:signedBytes]...)
	for _, s := range v.keyring().Signers() {
		kp, err := nkeys.FromPublicKey(s.PublicKey())
		if err == nil && kp.Verify(message, raw[signedBytes:]) == nil {
			return true
		}
	}
	return false
}
