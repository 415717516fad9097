package accounts_test

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/callout/callouttest"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// many is how many accounts TestMany creates. docs/reference/performance.md has the figures for 1,000.
var many = flag.Int("accounts", 50, "how many accounts one call creates")

// One call creates many accounts and changes the callout account once. The test also
// measures what the accounts cost in a server and at the start of an usher.
func TestMany(t *testing.T) {
	s := newSite(t, callouttest.OperatorConfig{Sealed: true})
	_, err := s.m.Open(t.Context(), []string{"first"})
	must(t, err)
	one := startOf(t, s)
	load1 := loadOf(t, s)
	heap0 := heap()

	pushes := 0
	s.m.Rotator.Progress = func(line string) {
		if strings.Contains(line, callouttest.CalloutAccount) && strings.Contains(line, "pushed") {
			pushes++
		}
	}
	names := make([]string, *many)
	for i := range names {
		names[i] = fmt.Sprintf("p%d", i)
	}
	begun := time.Now()
	made, err := s.m.Open(t.Context(), names)
	must(t, err)
	took := time.Since(begun)
	if len(made) != *many || pushes != 1 {
		t.Errorf("created %d, with %d changes of the callout account", len(made), pushes)
	}
	heap1 := heap()

	s.usher.SetDirectory(t, directoryOf(names...))
	heap2 := heap()
	for _, name := range names {
		nc, err := s.connect(0, name)
		must(t, err)
		nc.Close()
	}
	heap3 := heap()
	for _, i := range []int{0, *many / 2, *many - 1} {
		at := slices.IndexFunc(names, func(n string) bool { return n == made[i].Name })
		s.checkConnects(t, names[at], made[i].PublicKey)
	}
	callout := s.inForce(t, s.Accounts[callouttest.CalloutAccount])
	for _, a := range made {
		if !operator.Allows(callout, a.PublicKey) {
			t.Fatalf("%s is not allowed", a.Name)
		}
	}
	all, load := startOf(t, s), loadOf(t, s)
	each := func(from, to uint64) float64 { return (float64(to) - float64(from)) / float64(*many) / 1024 }
	t.Logf("figures: %d accounts created in %s (%s each)", *many, took.Round(time.Millisecond), (took / time.Duration(*many)).Round(10*time.Microsecond))
	t.Logf("figures: heap of server and usher together: %.1f KiB for each unused account, %.1f KiB more for each used one", each(heap0, heap1), each(heap2, heap3))
	t.Logf("figures: keyring loaded in %s, with 1 account in %s (%.0f times)", load, load1, float64(load)/float64(load1))
	t.Logf("figures: usher started in %s, with 1 account in %s (%.1f times)", all, one, float64(all)/float64(one))
}

// startOf returns how long an usher takes to start: the best of three.
func startOf(t *testing.T, s *site) time.Duration {
	t.Helper()
	best := time.Hour
	for range 3 {
		begun := time.Now()
		second := callouttest.StartService(t, callouttest.ServiceConfig{Operator: s.Operator, Directory: directoryOf()})
		best = min(best, time.Since(begun))
		second.Stop(t)
	}
	return best.Round(100 * time.Microsecond)
}

// loadOf returns how long the keyring takes to load: the best of three.
func loadOf(t *testing.T, s *site) time.Duration {
	t.Helper()
	best := time.Hour
	for range 3 {
		begun := time.Now()
		_, err := keyring.Load(s.Keyring, s.m.Rotator.Config)
		must(t, err)
		best = min(best, time.Since(begun))
	}
	return best.Round(10 * time.Microsecond)
}

// heap returns the heap in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
