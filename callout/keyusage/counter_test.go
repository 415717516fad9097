package keyusage

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

// keyringOf returns a keyring of these issuers, which cannot sign.
func keyringOf(tb testing.TB, publics ...string) *issuer.Keyring {
	tb.Helper()
	var held []issuer.LoadedKey
	for _, public := range publics {
		held = append(held, issuer.LoadedKey{Key: issuer.Key{Kind: issuer.KindIssuer, PublicKey: public, State: issuer.StateActive}})
	}
	k, err := issuer.NewKeyring(held, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

var testServer = Server{"s", "n"}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestLastHour(t *testing.T) {
	k := &keyCounter{}
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
	k.count(noon.Add(time.Hour)) // reuses the bucket of the first minute
	if got := k.lastHour(noon.Add(time.Hour)); got != 2 {
		t.Errorf("%d, want 2", got)
	}
	k.count(noon) // the clock was set back
	if got := k.lastHour(noon); got != 1 {
		t.Errorf("set back: %d, want 1", got)
	}
}

func TestConcurrentCount(t *testing.T) {
	public := newAccountKey(t)
	keys, c := keyringOf(t, public), NewCounter()
	var wg sync.WaitGroup
	for server := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				c.count(public, keys, Server{strconv.Itoa((server + i) % 8), "n"}, noon)
			}
		})
	}
	wg.Wait()
	k := (*c.keys.Load())[public]
	if n := k.lastHour(noon); n != 8000 || len(*k.servers.Load()) != 8 {
		t.Errorf("%d requests of %d servers", n, len(*k.servers.Load()))
	}
}

// Attack: servers name new issuers without end to exhaust usher's memory
// Held by: usher counts a bounded number of unknown keys
func TestUnknownKeysAreBounded(t *testing.T) {
	own := newAccountKey(t)
	keys, c := keyringOf(t, own), NewCounter()
	c.count(own, keys, testServer, noon)
	for _, public := range []string{"", "x", strings.Repeat("A", 1<<20)} {
		c.count(public, keys, testServer, noon)
	}
	first := newAccountKey(t)
	c.count(first, keys, testServer, noon)
	for range 2 * maxUnknownKeys {
		c.count(newAccountKey(t), keys, testServer, noon)
	}
	all := *c.keys.Load()
	if len(all) != 1+maxUnknownKeys || all[own] == nil || all[first] == nil {
		t.Errorf("%d keys are counted", len(all))
	}
	// A new key replaces keys that were not requested for an hour.
	later := noon.Add(30 * time.Minute)
	c.count(first, keys, testServer, later)
	last := newAccountKey(t)
	c.count(last, keys, testServer, noon.Add(time.Hour))
	all = *c.keys.Load()
	if len(all) != 3 || all[own] == nil || all[first] == nil || all[last] == nil {
		t.Errorf("%d keys are counted", len(all))
	}
	// A key that is removed from the keyring becomes an unknown key.
	c.count(own, keyringOf(t, last), testServer, noon.Add(time.Hour))
	if n := (*c.keys.Load())[own].lastHour(noon.Add(time.Hour)); n != 1 {
		t.Errorf("counted %d times", n)
	}
}

func TestServersAreBounded(t *testing.T) {
	public := newAccountKey(t)
	keys, c := keyringOf(t, public), NewCounter()
	for i := range maxKeyServers + 1 {
		c.count(public, keys, Server{strconv.Itoa(i), strings.Repeat("é", 100)}, noon.Add(time.Duration(i)*time.Second))
	}
	servers := *(*c.keys.Load())[public].servers.Load()
	if len(servers) != maxKeyServers*3/4+1 || servers["0"] != nil || servers[strconv.Itoa(maxKeyServers)] == nil {
		t.Errorf("%d servers", len(servers))
	}
	for _, s := range servers {
		if len(s.name) > maxServerName+len("…") || !strings.HasSuffix(s.name, "é…") {
			t.Fatalf("name %q", s.name)
		}
	}
}

func TestFairShare(t *testing.T) {
	for _, c := range []struct {
		lengths []int
		total   int
	}{
		{nil, 10}, {[]int{5}, 10}, {[]int{5}, 3}, {[]int{1, 100, 2, 100}, 23}, {[]int{100, 100, 100}, 10}, {[]int{9, 9}, 0},
	} {
		before := slices.Clone(c.lengths)
		limit, sum, all := fairShare(c.lengths, c.total), 0, 0
		for _, n := range c.lengths {
			sum += min(n, limit)
			all += n
		}
		if sum > c.total || sum+len(c.lengths) < min(c.total, all) || !slices.Equal(before, c.lengths) {
			t.Errorf("%v, at most %d: limit %d, total %d", c.lengths, c.total, limit, sum)
		}
	}
}

// BenchmarkCount measures counting one request. x-add is its duration divided by
// that of an atomic add in the same run. A whole request takes some 100 µs.
func BenchmarkCount(b *testing.B) {
	public := newAccountKey(b)
	keys, c := keyringOf(b, public), NewCounter()
	server := Server{newAccountKey(b), "n1"}
	count := func() { c.count(public, keys, server, noon) }
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

// A key in another form than the usual one is not counted: there are any number, of any
// length.
func TestKeyInAnotherForm(t *testing.T) {
	c, key := NewCounter(), newAccountKey(t)
	for _, form := range []string{key + "\n", strings.Repeat("\r\n", 1000) + key, key + "A"} {
		c.Request(testServer, form, "", keyringOf(t), noon)
	}
	if n := len(*c.keys.Load()); n != 0 {
		t.Errorf("%d keys are counted", n)
	}
}
