package automate_test

import (
	"crypto/rand"
	"testing"
	"time"

	"usher/callout/callouttest"
	"usher/directory/snapshot"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/automate/automatetest"
	"usher/tokens/backend"
	"usher/tokens/conformance"
)

// BenchmarkVerify verifies with a kept answer, and compares with the digest of the token.
func BenchmarkVerify(b *testing.B) {
	a := automatetest.New(b)
	a.Set("good-token", alice)
	v := start(b, configOf(b, a))
	c := token("good-token")
	conformance.Compare(b, func() bool {
		_, err := v.Verify(b.Context(), c)
		return err == nil && !v.Slow(c)
	}, func() bool { return backend.Key(v.Name(), "good-token") != [32]byte{} })
}

// BenchmarkAPIKey verifies with a kept answer, and compares with an API key of usher.
func BenchmarkAPIKey(b *testing.B) {
	a := automatetest.New(b)
	a.Set("good-token", alice)
	v := start(b, configOf(b, a))
	key, err := apikey.New(rand.Reader)
	callouttest.Must(b, err)
	s := callouttest.ParseDirectory(b, callouttest.WithDigests("users: [{name: alice, keys: [{digest: KEY("+key+")}]}]\nprojects: []\n"))
	own := apikey.NewVerifier(func() *snapshot.Snapshot { return s }, time.Now)
	c, k := token("good-token"), token(key)
	verify := func(v tokens.Verifier, c *tokens.Credential) bool {
		_, err := v.Verify(b.Context(), c)
		return err == nil
	}
	conformance.Compare(b, func() bool { return verify(v, c) }, func() bool { return verify(own, k) })
}
