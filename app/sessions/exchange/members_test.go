package exchange_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"usher/app/sessions/exchange"
	"usher/callout/callouttest"
)

const sampled = 3000

// owners returns which of the replicas act on each session.
func owners(all []*replica) [][]string {
	out := make([][]string, sampled)
	for n := range out {
		for _, r := range all {
			if r.Mine(id(n)) {
				out[n] = append(out[n], r.name)
			}
		}
	}
	return out
}

// Exactly one replica acts on each session, and only the sessions of one that is gone move.
func TestMine(t *testing.T) {
	t.Parallel()
	all := startEvery(t, startServer(t, callouttest.ServerConfig{}).URL(), 3, 3*time.Second)
	before, count := owners(all), map[string]int{}
	for n, who := range before {
		if len(who) != 1 {
			t.Fatalf("session %d: %v act on it", n, who)
		}
		count[who[0]]++
	}
	for name, n := range count {
		if n < sampled/3*8/10 || n > sampled/3*12/10 {
			t.Errorf("%s acts on %d of %d sessions", name, n, sampled)
		}
	}
	all[2].kill()
	waitMembers(t, all[:2]...)
	for n, who := range owners(all[:2]) {
		if len(who) != 1 || before[n][0] != all[2].name && who[0] != before[n][0] {
			t.Fatalf("session %d moved from %v to %v", n, before[n], who)
		}
	}
}

// Replicas of all versions must choose alike.
func TestMineIsFixed(t *testing.T) {
	t.Parallel()
	all := startEvery(t, startServer(t, callouttest.ServerConfig{}).URL(), 3, 3*time.Second)
	var got []string
	for _, who := range owners(all)[:8] {
		got = append(got, who...)
	}
	if want := []string{"r2", "r2", "r1", "r2", "r2", "r1", "r2", "r0"}; !slices.Equal(got, want) {
		t.Errorf("%q act on the first sessions, it was %q", got, want)
	}
}

func TestInForce(t *testing.T) {
	t.Parallel()
	all := startEvery(t, startServer(t, callouttest.ServerConfig{}).URL(), 3, 3*time.Second)
	old := exchange.State{Revision: 4, Directory: [32]byte{1}, Identities: [32]byte{2}}
	for _, r := range all {
		r.Announce(old)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, r := range all {
		if late := r.InForce(ctx, old); late != nil {
			t.Fatalf("%s: %v are late", r.name, late)
		}
	}
	for _, want := range []exchange.State{
		{Revision: 5}, {Directory: [32]byte{9}}, {Identities: [32]byte{9}}, {Revision: 5, Directory: [32]byte{1}},
	} {
		soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		late := all[0].InForce(soon, want)
		cancel()
		if !slices.Equal(late, []string{"r0", "r1", "r2"}) {
			t.Errorf("%+v: late are %v", want, late)
		}
	}
	// The last one decides by the new state last; then it is in force for who waited.
	done := make(chan []string)
	next := exchange.State{Revision: 6, Identities: [32]byte{2}}
	go func() { done <- all[0].InForce(ctx, next) }()
	for _, r := range all {
		select {
		case late := <-done:
			t.Fatalf("in force before %s has announced it: %v", r.name, late)
		default:
		}
		r.Announce(exchange.State{Revision: 7, Directory: [32]byte{3}, Identities: [32]byte{2}})
	}
	if late := <-done; late != nil {
		t.Errorf("late: %v", late)
	}
	// One that is gone is not waited for.
	go func() { done <- all[0].InForce(ctx, exchange.State{Revision: 8}) }()
	all[0].Announce(exchange.State{Revision: 8})
	all[1].Announce(exchange.State{Revision: 8})
	all[2].kill()
	if late := <-done; late != nil {
		t.Errorf("late: %v", late)
	}
}
