package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
)

// SignatureHeader is the HTTP header with the signature of a request.
const SignatureHeader = "Usher-Signature"

// MinSecret is the shortest secret of NewHMAC, in bytes.
const MinSecret = 32

// Signer signs requests, so that the endpoint can tell who asks. Its errors do not show the
// key.
type Signer interface {
	// parameters returns what stands behind the time in SignatureHeader.
	parameters(signed []byte) (string, error)
}

// NewHMAC returns a Signer with a secret that usher and the endpoint share (HMAC-SHA-256).
// secret is called for each request, so that a replaced secret needs no restart.
func NewHMAC(secret func() (string, error)) Signer { return hmacSigner(secret) }

type hmacSigner func() (string, error)

func (s hmacSigner) parameters(signed []byte) (string, error) {
	secret, err := s()
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	if err := CheckSecret(secret); err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(signed)
	return "v1=" + hex.EncodeToString(mac.Sum(nil)), nil
}

// CheckSecret returns an error for a secret that is too short.
func CheckSecret(secret string) error {
	if len(secret) < MinSecret {
		return fmt.Errorf("shorter than %d characters", MinSecret)
	}
	return nil
}

// NewNKey returns a Signer with a user nkey, whose public key the endpoint knows (Ed25519).
// seed is called for each request.
func NewNKey(seed func() (string, error)) Signer { return nkeySigner(seed) }

type nkeySigner func() (string, error)

func (s nkeySigner) parameters(signed []byte) (string, error) {
	seed, err := s()
	if err != nil {
		return "", fmt.Errorf("nkey: %w", err)
	}
	if err := CheckSeed(seed); err != nil {
		return "", fmt.Errorf("nkey: %w", err)
	}
	key, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return "", errNoUserSeed
	}
	defer key.Wipe()
	public, err := key.PublicKey()
	if err != nil {
		return "", errNoUserSeed
	}
	signature, err := key.Sign(signed)
	if err != nil {
		return "", fmt.Errorf("nkey: %w", err)
	}
	return "nkey=" + public + ",ed25519=" + base64.RawURLEncoding.EncodeToString(signature), nil
}

var errNoUserSeed = errors.New("not the seed of a user nkey (SU…)")

// CheckSeed returns an error for a text that is not the seed of a user nkey. Keys of other
// kinds sign user JWTs and accounts, and nothing that others have a part in.
func CheckSeed(seed string) error {
	if prefix, _, err := nkeys.DecodeSeed([]byte(seed)); err != nil || prefix != nkeys.PrefixByteUser {
		return errNoUserSeed
	}
	return nil
}

// sign returns the value of SignatureHeader for a body that is sent now.
func sign(s Signer, now time.Time, body []byte) (string, error) {
	t := strconv.FormatInt(now.Unix(), 10)
	var signed strings.Builder
	signed.WriteString(t)
	signed.WriteByte('.')
	signed.Write(body)
	parameters, err := s.parameters([]byte(signed.String()))
	if err != nil {
		return "", err
	}
	return "t=" + t + "," + parameters, nil
}
