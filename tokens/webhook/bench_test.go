package webhook_test

import (
	"testing"
	"time"

	"usher/tokens/backend"
	"usher/tokens/webhook"
)

// Verify with a kept answer, and how often the digest of the same token would fit in it.
func BenchmarkVerify(b *testing.B) {
	e := newEndpoint(b, map[string]reply{"sess_a": {body: alice}})
	v, c := e.verifier(b, func(c *webhook.Config) { c.Facts = nil }), token("sess_a")
	if _, err := v.Verify(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	const n = 20_000
	start := time.Now()
	for range n {
		backend.Key(v.Name(), "token", "sess_a", "", "")
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
