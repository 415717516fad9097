package callout_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
)

const jwtHeader = `{"typ":"JWT","alg":"ed25519-nkey"}`

// encodeUnchecked signs claims with any key. jwt/v2 refuses keys of a wrong type.
func encodeUnchecked(t *testing.T, c jwt.Claims, key nkeys.KeyPair) string {
	t.Helper()
	c.Claims().Issuer = public(t, key)
	payload, err := json.Marshal(c)
	callouttest.Must(t, err)
	return sign(t, jwtHeader, string(payload), key)
}

func sign(t *testing.T, header, payload string, key nkeys.KeyPair) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	toSign := b64([]byte(header)) + "." + b64([]byte(payload))
	sig, err := key.Sign([]byte(toSign))
	callouttest.Must(t, err)
	return toSign + "." + b64(sig)
}

// deeplyNestedJWT returns a JWT whose claims are nested deeper than decoders support.
func deeplyNestedJWT() string {
	b64 := base64.RawURLEncoding.EncodeToString
	deep := `{"nats":` + strings.Repeat(`[`, 200_000) + strings.Repeat(`]`, 200_000) + `}`
	return b64([]byte(jwtHeader)) + "." + b64([]byte(deep)) + ".AAAA"
}
