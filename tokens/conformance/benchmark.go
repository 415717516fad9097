package conformance

import (
	"slices"
	"testing"
	"time"
)

// Compare measures verify, and floor, which is what it cannot do without: the verification
// of a signature, or the digest of a token. They run by turns, and the metrics are medians,
// so that what else the machine does has no part in their ratio: "verify-ns", "floor-ns" and
// "ratio". Both return whether they succeeded.
func Compare(b *testing.B, verify, floor func() bool) {
	b.Helper()
	if !verify() || !floor() { // the first may fetch or keep something
		b.Fatal("the credential is not good")
	}
	b.ReportAllocs()
	var whole, least []time.Duration
	for b.Loop() {
		begin := time.Now()
		verified := verify()
		middle := time.Now()
		if !floor() || !verified {
			b.Fatal("the credential is not good any more")
		}
		whole, least = append(whole, middle.Sub(begin)), append(least, time.Since(middle))
	}
	v, f := median(whole), median(least)
	b.ReportMetric(v, "verify-ns")
	b.ReportMetric(f, "floor-ns")
	b.ReportMetric(v/f, "ratio")
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2])
}
