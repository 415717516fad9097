package kubernetes_test

import (
	"testing"

	"usher/tokens/backend"
	"usher/tokens/conformance"
)

// BenchmarkVerify verifies with a kept answer, and compares with the digest of the token.
func BenchmarkVerify(b *testing.B) {
	k := newCluster(b)
	v, c := k.verifier(b, nil), bearer(k.token(nil))
	conformance.Compare(b, func() bool {
		_, err := v.Verify(b.Context(), c)
		return err == nil && !v.Slow(c)
	}, func() bool { return backend.Key(v.Name(), c.Token()) != [32]byte{} })
}
