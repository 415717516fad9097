package webhook_test

import (
	"testing"

	"usher/tokens/backend"
	"usher/tokens/conformance"
	"usher/tokens/webhook"
)

// BenchmarkVerify verifies with a kept answer, and compares with the digest of the token.
func BenchmarkVerify(b *testing.B) {
	e := newEndpoint(b, map[string]reply{"sess_a": {body: alice}})
	v, c := e.verifier(b, func(c *webhook.Config) { c.Facts = nil }), token("sess_a")
	conformance.Compare(b, func() bool {
		_, err := v.Verify(b.Context(), c)
		return err == nil && !v.Slow(c)
	}, func() bool { return backend.Key(v.Name(), "token", "sess_a", "", "") != [32]byte{} })
}
