package introspection

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"usher/internal/ownedfile"
	"usher/internal/secretfile"
)

// assertionLife is how long an assertion is valid. Each request has its own.
const assertionLife = time.Minute

// privateKeyJWT authenticates with an assertion that usher signs (RFC 7523 section 2.2).
func (a *Authentication) privateKeyJWT(endpoint string, now func() time.Time) (authenticator, error) {
	signer, err := a.signer()
	if err != nil {
		return nil, err
	}
	audience := a.Audience
	if audience == "" {
		audience = endpoint
	}
	assert := func() (string, error) {
		issued := now()
		return jwt.Signed(signer).Claims(map[string]any{
			"iss": a.ClientID, "sub": a.ClientID, "aud": audience, "jti": rand.Text(),
			"iat": issued.Unix(), "exp": issued.Add(assertionLife).Unix(),
		}).Serialize()
	}
	if _, err := assert(); err != nil { // the key does not fit the algorithm
		return nil, fmt.Errorf("algorithm: the key cannot sign with %s", a.Algorithm)
	}
	return func(_ http.Header, body url.Values) error {
		text, err := assert()
		if err != nil {
			return errors.New("the assertion cannot be signed")
		}
		body.Set("client_id", a.ClientID)
		body.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		body.Set("client_assertion", text)
		return nil
	}, nil
}

// signer reads the key. It sets an algorithm that is not configured.
func (a *Authentication) signer() (jose.Signer, error) {
	if a.KeyFile == "" {
		return nil, fmt.Errorf("key_file: must be set for authentication %s", a.Method)
	}
	text, _, err := ownedfile.Read(a.KeyFile, ownedfile.Rule{Secret: true, GroupRead: a.AllowGroupReadable, Max: secretfile.MaxSize})
	var at *fs.PathError
	if errors.As(err, &at) {
		err = secretfile.Unreadable(err)
	}
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	if a.KeyID != "" {
		key.KeyID = a.KeyID
	}
	if a.Algorithm == "" {
		a.Algorithm = key.Algorithm
	}
	if a.Algorithm == "" {
		a.Algorithm = string(algorithmOf(key.Key))
	}
	key.Algorithm = a.Algorithm
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(a.Algorithm), Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("algorithm: the key cannot sign with %s", a.Algorithm)
	}
	return signer, nil
}

var errKey = errors.New("is not a private key (RSA, ECDSA or Ed25519) in PEM or JWK form")

// parseKey reads a private key in PEM or JWK form. Its errors quote nothing.
func parseKey(text []byte) (jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	if block, _ := pem.Decode(text); block != nil {
		key.Key = parseDER(block.Bytes)
	} else if key.UnmarshalJSON(text) != nil {
		return key, errKey
	}
	private, ok := key.Key.(crypto.Signer) // no symmetric key, and no public one
	if !ok || !key.Valid() {
		return key, errKey
	}
	if r, ok := private.(*rsa.PrivateKey); ok && r.N.BitLen() < 2048 {
		return key, errors.New("is an RSA key of less than 2048 bits")
	}
	return key, nil
}

func parseDER(der []byte) any {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}

// algorithmOf returns the algorithm that every server knows for such a key.
func algorithmOf(key any) jose.SignatureAlgorithm {
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return jose.EdDSA
	case *ecdsa.PrivateKey:
		switch key.Params().BitSize {
		case 384:
			return jose.ES384
		case 521:
			return jose.ES512
		}
		return jose.ES256
	}
	return jose.RS256
}
