package callout

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/issuer"
)

func newAccountKey(tb testing.TB) string {
	tb.Helper()
	kp, err := nkeys.CreateAccount()
	if err != nil {
		tb.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		tb.Fatal(err)
	}
	return public
}

// keyringOf returns a keyring that knows these issuers, and can do nothing.
func keyringOf(tb testing.TB, publics ...string) *issuer.Keyring {
	tb.Helper()
	var held []issuer.Held
	for _, public := range publics {
		held = append(held, issuer.Held{Key: issuer.Key{Kind: issuer.KindIssuer, PublicKey: public, State: issuer.StateActive}})
	}
	k, err := issuer.NewKeyring(held, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestLastHour(t *testing.T) {
	k := &keyUse{}
	for range 5 {
		k.count(noon)
	}
	k.count(noon.Add(59 * time.Minute))
	for _, c := range []struct {
		after time.Duration
		want  uint64
	}{{0, 5}, {59 * time.Second, 5}, {59 * time.Minute, 6}, {time.Hour, 1}, {118 * time.Minute, 1}, {119 * time.Minute, 0}} {
		if got := k.lastHour(noon.Add(c.after)); got != c.want {
			t.Errorf("%s after: %d, want %d", c.after, got, c.want)
		}
	}
	k.count(noon.Add(time.Hour)) // takes the place of the first minute
	if got := k.lastHour(noon.Add(time.Hour)); got != 2 {
		t.Errorf("%d, want 2", got)
	}
	k.count(noon) // a clock that was set back
	if got := k.lastHour(noon); got != 1 {
		t.Errorf("set back: %d, want 1", got)
	}
}

func TestConcurrentUsage(t *testing.T) {
	public := newAccountKey(t)
	keys, u := keyringOf(t, public), newUsage()
	var wg sync.WaitGroup
	for server := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				u.count(public, keys, strconv.Itoa((server+i)%8), "n", noon)
			}
		})
	}
	wg.Wait()
	k := (*u.keys.Load())[public]
	if n := k.lastHour(noon); n != 8000 || len(*k.servers.Load()) != 8 {
		t.Errorf("%d requests of %d servers", n, len(*k.servers.Load()))
	}
}

// Attack: servers that name ever new issuers fill usher's memory
// Held by: a fixed number is kept for the report
func TestUnknownKeysAreBounded(t *testing.T) {
	own := newAccountKey(t)
	keys, u := keyringOf(t, own), newUsage()
	u.count(own, keys, "s", "n", noon)
	for _, public := range []string{"", "x", strings.Repeat("A", 1<<20)} {
		u.count(public, keys, "s", "n", noon)
	}
	first := newAccountKey(t)
	u.count(first, keys, "s", "n", noon)
	for range 2 * maxUnknownKeys {
		u.count(newAccountKey(t), keys, "s", "n", noon)
	}
	all := *u.keys.Load()
	if len(all) != 1+maxUnknownKeys || all[own] == nil || all[first] == nil {
		t.Errorf("%d keys are kept", len(all))
	}
	// Those that nobody asks for any more make place.
	later := noon.Add(30 * time.Minute)
	u.count(first, keys, "s", "n", later)
	last := newAccountKey(t)
	u.count(last, keys, "s", "n", noon.Add(time.Hour))
	all = *u.keys.Load()
	if len(all) != 3 || all[own] == nil || all[first] == nil || all[last] == nil {
		t.Errorf("%d keys are kept", len(all))
	}
	// A key that was taken out of the keyring is one of the unknown ones.
	u.count(own, keyringOf(t, last), "s", "n", noon.Add(time.Hour))
	if n := (*u.keys.Load())[own].lastHour(noon.Add(time.Hour)); n != 1 {
		t.Errorf("counted %d times", n)
	}
}

func TestServersAreBounded(t *testing.T) {
	public := newAccountKey(t)
	keys, u := keyringOf(t, public), newUsage()
	for i := range maxKeyServers + 1 {
		u.count(public, keys, strconv.Itoa(i), strings.Repeat("é", 100), noon.Add(time.Duration(i)*time.Second))
	}
	servers := *(*u.keys.Load())[public].servers.Load()
	if len(servers) != maxKeyServers*3/4+1 || servers["0"] != nil || servers[strconv.Itoa(maxKeyServers)] == nil {
		t.Errorf("%d servers", len(servers))
	}
	for _, s := range servers {
		if len(s.name) > maxServerName+len("…") || !strings.HasSuffix(s.name, "é…") {
			t.Fatalf("name %q", s.name)
		}
	}
}

func TestLongest(t *testing.T) {
	for _, c := range []struct {
		lengths []int
		total   int
	}{
		{nil, 10}, {[]int{5}, 10}, {[]int{5}, 3}, {[]int{1, 100, 2, 100}, 23}, {[]int{100, 100, 100}, 10}, {[]int{9, 9}, 0},
	} {
		before := slices.Clone(c.lengths)
		most, sum, all := longest(c.lengths, c.total), 0, 0
		for _, n := range c.lengths {
			sum += min(n, most)
			all += n
		}
		if sum > c.total || sum+len(c.lengths) < min(c.total, all) || !slices.Equal(before, c.lengths) {
			t.Errorf("%v, at most %d: %d each, %d in all", c.lengths, c.total, most, sum)
		}
	}
}

// BenchmarkUsage measures counting one request, beside an atomic add of the same
// run: x-add is how many of those it takes. A whole request takes some 100 µs.
func BenchmarkUsage(b *testing.B) {
	public := newAccountKey(b)
	keys, u := keyringOf(b, public), newUsage()
	server := newAccountKey(b)
	count := func() { u.count(public, keys, server, "n1", noon) }
	count()
	if n := testing.AllocsPerRun(100, count); n != 0 {
		b.Errorf("%v allocations", n)
	}
	var n atomic.Int64
	const calls = 1_000_000
	start := time.Now()
	for range calls {
		n.Add(1)
	}
	add := float64(time.Since(start).Nanoseconds()) / calls
	b.ReportAllocs()
	for b.Loop() {
		count()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/add, "x-add")
}
