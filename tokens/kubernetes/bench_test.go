package kubernetes_test

import (
	"testing"
	"time"

	"usher/tokens/backend"
)

// Verify with a kept answer, and how often the digest of the same token would fit in it.
func BenchmarkVerify(b *testing.B) {
	k := newCluster(b)
	v, c := k.verifier(b, nil), bearer(k.token(nil))
	if _, err := v.Verify(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	const n = 20_000
	start := time.Now()
	for range n {
		backend.Key(v.Name(), c.Token())
	}
	floor := float64(time.Since(start)) / n
	for b.Loop() {
		if v.Slow(c) {
			b.Fatal("not kept")
		}
		if _, err := v.Verify(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/floor, "x-digest")
}
