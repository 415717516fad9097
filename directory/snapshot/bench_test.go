package snapshot_test

import (
	"context"
	"crypto/ed25519"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/callout"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/permissions"
	"usher/tokens"
	"usher/tokens/apikey"
)

const mib = 1 << 20

// BenchmarkSnapshot measures how long building a snapshot from records takes, and its
// memory. Sizes are heap in use, minus the heap in use before the records: MiB-records for
// the records alone, MiB-held for the snapshot with its records, MiB-peak for the peak
// while it was built.
func BenchmarkSnapshot(b *testing.B) {
	for name, c := range map[string]company{"1k": {1_000, 1_000}, "1M": {1_000_000, 1_000}} {
		b.Run(name, func(b *testing.B) {
			var peak, decoded, held uint64
			for b.Loop() {
				b.StopTimer()
				before := settledHeap()
				records := c.records(b)
				decoded = settledHeap() - before
				stop := watchHeap()
				b.StartTimer()
				s := newSnapshot(b, records) // the last use of the records
				b.StopTimer()
				peak = max(peak, stop()-before)
				held = settledHeap() - before
				runtime.KeepAlive(s)
				b.StartTimer()
			}
			b.ReportMetric(float64(decoded)/mib, "MiB-records")
			b.ReportMetric(float64(held)/mib, "MiB-held")
			b.ReportMetric(float64(peak)/mib, "MiB-peak")
		})
	}
}

// settledHeap returns the heap in use after garbage collection.
func settledHeap() uint64 {
	runtime.GC()
	runtime.GC()
	return heapInUse()
}

func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() + sample[1].Value.Uint64()
}

// watchHeap samples the heap in use until stop is called, which returns the peak.
func watchHeap() (stop func() uint64) {
	var peak uint64
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				peak = max(peak, heapInUse())
			}
		}
	})
	return func() uint64 {
		close(done)
		wg.Wait()
		return max(peak, heapInUse())
	}
}

// BenchmarkLookup compares the cost of a request with 1,000,000 users (ns-large) and with
// 1,000 users (ns-small), both in 1,000 projects and in random order. x-small is the ratio.
// An operation is a round of both; the best of all rounds counts.
//
//   - key: the digest is known, LookupKey alone;
//   - lookup: digest of the token, LookupKey, Facts;
//   - decide: everything that a request does between the wire and the signature;
//   - answer: decide, and the cryptography of a request: one ed25519 verification and two
//     signatures.
func BenchmarkLookup(b *testing.B) {
	small := newTarget(b, company{1_000, 1_000})
	large := newTarget(b, company{1_000_000, 1_000})
	for _, bench := range []struct {
		name string
		one  func(*target, *ask) bool
	}{{"key", (*target).key}, {"lookup", (*target).lookup}, {"decide", (*target).decide}, {"answer", (*target).answer}} {
		b.Run(bench.name, func(b *testing.B) {
			ofSmall, ofLarge := math.Inf(1), math.Inf(1)
			for b.Loop() {
				ofSmall = min(ofSmall, small.round(b, bench.one))
				ofLarge = min(ofLarge, large.round(b, bench.one))
			}
			b.ReportMetric(ofSmall, "ns-small")
			b.ReportMetric(ofLarge, "ns-large")
			b.ReportMetric(ofLarge/ofSmall, "x-small")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// target is a directory with the requests for it.
type target struct {
	snapshot *snapshot.Snapshot
	decider  callout.Decider
	private  ed25519.PrivateKey
	asks     []ask
	next     int
}

// ask is one request.
type ask struct {
	token      string
	digest     directory.Digest
	credential tokens.Credential
}

func newTarget(tb testing.TB, c company) *target {
	tb.Helper()
	t := &target{snapshot: newSnapshot(tb, c.records(tb)), private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), asks: make([]ask, 200_000)}
	current := func() *snapshot.Snapshot { return t.snapshot }
	t.decider = callout.Decider{
		Chain:    tokens.Chain{apikey.NewVerifier(current, time.Now)},
		Snapshot: current,
		Ruleset:  callout.FixedRuleset(&permissions.Policy{CalloutAccount: "AUTH", SystemAccount: "SYS"}, nil),
	}
	// In a row in memory, as what has just come in is in the caches.
	var text strings.Builder
	for range t.asks {
		text.WriteString(token(tb, rand.IntN(c.users)))
	}
	for i := range t.asks {
		a := &t.asks[i]
		a.token = text.String()[i*apikey.Length : (i+1)*apikey.Length]
		a.digest = directory.DigestOf(a.token)
		a.credential = tokens.Credential{AuthToken: a.token, Host: "10.1.2.3"}
	}
	return t
}

// round returns the average nanoseconds of a request. It warms the CPU caches with the same
// number of requests before.
func (t *target) round(b *testing.B, one func(*target, *ask) bool) float64 {
	b.Helper()
	const n = 500
	var start time.Time
	for i := range 2 * n {
		if i == n {
			start = time.Now()
		}
		if t.next++; t.next == len(t.asks) {
			t.next = 0
		}
		if !one(t, &t.asks[t.next]) {
			b.Fatal("the user is not found")
		}
	}
	return float64(time.Since(start).Nanoseconds()) / n
}

func (t *target) key(a *ask) bool {
	_, ok := t.snapshot.LookupKey(a.digest)
	return ok
}

func (t *target) lookup(a *ask) bool {
	rec, ok := t.snapshot.LookupKey(directory.DigestOf(a.token))
	if !ok {
		return false
	}
	f, ok := t.snapshot.Facts(rec.User.Name, "")
	return ok && len(f.Memberships) == 1
}

func (t *target) decide(a *ask) bool {
	return t.decider.Decide(context.Background(), &a.credential).Outcome == callout.Granted
}

func (t *target) answer(a *ask) bool {
	message := make([]byte, 1000)
	signature := ed25519.Sign(t.private, message)
	ed25519.Sign(t.private, message)
	return t.decide(a) && ed25519.Verify(t.private.Public().(ed25519.PublicKey), message, signature)
}
