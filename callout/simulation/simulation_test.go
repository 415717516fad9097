package simulation

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// timely is the time within which the plain service answers everybody if all can be
	// served. Clients have at least 2 s; the rest is the margin for what is random.
	timely = 1500 * time.Millisecond
	// minShare is the share of answers that let a client in, in every storm that is too
	// large. meanShare is that of all such storms.
	minShare  = 0.4
	meanShare = 0.8
)

// storm is what was simulated.
type storm struct {
	*clients
	service results
	lost    int
}

// share returns the share of answers that let a client in.
func (s *storm) share() float64 { return float64(s.in) / float64(s.service.answers) }

func (s *storm) String() string {
	return fmt.Sprintf("%d of %d clients are in after %s, %d failed attempts, %d lost, %d answers, shed %v",
		s.in, s.p.clients, s.last, s.failed, s.lost, s.service.answers, s.service.shed)
}

// run simulates a storm until all clients are in, or until the end.
func (p *parameters) run(plain bool, end time.Duration) *storm {
	w := newWorld(p.seed)
	var s service
	srv := newServer(w, p, func(connection int, a *attempt) { s.arrive(connection, a) })
	if plain {
		s = &fifo{world: w, p: p, server: srv}
	} else {
		s = newUsher(w, p, srv)
	}
	c := newClients(w, p, srv)
	w.run(end, func() bool { return c.in == p.clients })
	return &storm{c, s.results(), srv.lost}
}

// check simulates a storm, and checks what admission and congestion control promise. It
// returns the share of answers that let a client in, or 1 if all could be served.
func (p *parameters) check(t *testing.T) float64 {
	t.Helper()
	plain, s := p.run(true, 10*time.Second), p.run(false, 2*time.Minute)
	fits := plain.slowest < timely
	switch {
	case s.in < p.clients:
		t.Errorf("not all clients are in: %s\n%+v", s, *p)
	case fits && (len(s.service.shed) > 0 || s.failed != s.lost):
		t.Errorf("all could be served in %s, and usher did not serve all: %s\n%+v", plain.slowest, s, *p)
	case !fits && s.share() < minShare:
		t.Errorf("most answers came too late: %s\n%+v", s, *p)
	case !fits:
		return s.share()
	}
	return 1
}

// Whenever the plain service would serve everybody in time, usher sheds nothing, and
// only attempts fail whose request is lost. Otherwise most of its answers are in time.
// All clients are in at the end.
func TestSimulation(t *testing.T) {
	const seeds = 60
	var sum float64
	var overloaded int
	var mu sync.Mutex
	var next atomic.Uint64
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for seed := next.Add(1); seed <= seeds; seed = next.Add(1) {
				if share := randomParameters(seed).check(t); share < 1 {
					mu.Lock()
					sum += share
					overloaded++
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	if mean := sum / float64(overloaded); overloaded < seeds/4 || overloaded > seeds*3/4 || mean < meanShare {
		t.Errorf("%.3f of the answers of %d storms came in time", mean, overloaded)
	}
}

// FuzzSimulation checks the same for other parameters.
func FuzzSimulation(f *testing.F) {
	f.Add(uint64(1), uint16(1000), uint8(20), uint8(20), uint8(10), uint8(50))
	f.Add(uint64(2), uint16(4000), uint8(10), uint8(20), uint8(10), uint8(10))
	f.Add(uint64(3), uint16(8000), uint8(20), uint8(20), uint8(10), uint8(100))
	f.Fuzz(func(t *testing.T, seed uint64, clients uint16, request, answer, serve, read uint8) {
		p := randomParameters(seed)
		p.requestCost = 10 * time.Duration(request%40+1) * time.Microsecond
		p.answerCost = 10 * time.Duration(answer%40+1) * time.Microsecond
		p.serveCost = 10 * time.Duration(serve%30+1) * time.Microsecond
		p.openCost = p.serveCost / 10
		p.readEvery = 2 * time.Duration(read+1) * time.Millisecond
		p.clients = int(clients)%12_000 + 1
		p.bound()
		p.check(t)
	})
}
