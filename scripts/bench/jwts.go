package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	"usher/app/setup"
)

// issuedJWTs are the JWTs of one authority and its key set. Each client presents its own.
type issuedJWTs struct{ keySet, tokens string }

const (
	jwtClients = 4000
	rsaBits    = 2048
	jwtValid   = 12 * time.Hour
)

// usherJWTs is usher with clients that present JWTs.
var usherJWTs = backend{program: usher, jwts: true}

// jwtConfig lets clients with a JWT be the user of the deployment.
const jwtConfig = `
credentials:
  oidc: [{name: bench, issuer: "https://id.example", audiences: [nats], keys: {file: jwks.json}}]
identities:
  rules: [{name: bench, when: [{fact: authority, equals: bench}], user: alice}]
`

// issueJWTs makes the JWTs once: signatures of RSA take long.
func (r *runner) issueJWTs() (*issuedJWTs, error) {
	if r.jwts != nil {
		return r.jwts, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, err
	}
	keySet, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig",
		"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
	}}})
	if err != nil {
		return nil, err
	}
	issued := &issuedJWTs{keySet: string(keySet)}
	var all strings.Builder
	for i := range jwtClients {
		token, err := signJWT(key, i)
		if err != nil {
			return nil, err
		}
		all.WriteString(token + "\n")
	}
	issued.tokens, r.jwts = all.String(), issued
	return issued, nil
}

// signJWT returns an access token with the claims that providers put into it.
func signJWT(key *rsa.PrivateKey, client int) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": "https://id.example", "sub": fmt.Sprintf("client-%d", client), "aud": []string{"nats", "account"},
		"client_id": "bench", "azp": "bench", "jti": fmt.Sprintf("b1946ac9-2d8f-4a3e-9f6e-%012d", client), "scope": "openid profile email",
		"iat": now.Add(-time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(jwtValid).Unix(),
		"email": "alice@example.com", "email_verified": true, "groups": []string{"/dev", "/ops", "/admins"},
		"realm_access": map[string]any{"roles": []string{"publisher", "consumer"}},
	})
	if err != nil {
		return "", err
	}
	text := encode([]byte(`{"alg":"RS256","kid":"1","typ":"at+jwt"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	return text + "." + encode(signature), err
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// presentJWTs makes the clients of a deployment present JWTs.
func (r *runner) presentJWTs(d *deployment) error {
	issued, err := r.issueJWTs()
	if err != nil {
		return err
	}
	path := d.path(setup.FileConfig)
	text, err := os.ReadFile(path) //nolint:gosec // a file of the temporary directory
	if err != nil {
		return err
	}
	return errors.Join(
		d.write("tokens", issued.tokens),
		d.write("jwks.json", issued.keySet),
		d.write(setup.FileConfig, string(text)+jwtConfig),
	)
}
