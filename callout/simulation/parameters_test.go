package simulation

import (
	"math/rand/v2"
	"time"

	"usher/callout/admission"
)

// parameters are those of one simulation.
type parameters struct {
	seed        uint64
	clients     int
	hosts       int
	connections int
	order       admission.Order
	ramp        time.Duration // over which the clients connect first
	slow        float64       // share of clients that are slow to send their credential
	requestCost time.Duration // of the server, for an attempt
	answerCost  time.Duration // of the server, for an answer
	openCost    time.Duration // of the service
	serveCost   time.Duration // of the service
	readEvery   time.Duration // between two reads of a busy server
	readBurst   int           // messages of one read
	stalls      float64       // share of the server's steps before which it stalls
	stall       time.Duration // maximum
	latency     time.Duration
	loss        float64 // share of requests
	disorder    float64 // share of attempts that the server takes out of order
}

func randomParameters(seed uint64) *parameters {
	r := rand.New(rand.NewPCG(seed, 34))
	between := func(low, high time.Duration) time.Duration { return low + time.Duration(r.Int64N(int64(high-low))) }
	p := &parameters{
		seed:        seed,
		clients:     500 + r.IntN(11_500),
		connections: 1 + r.IntN(4),
		order:       admission.Adaptive,
		ramp:        between(10*time.Millisecond, time.Second),
		requestCost: between(100*time.Microsecond, 400*time.Microsecond),
		answerCost:  between(100*time.Microsecond, 350*time.Microsecond),
		serveCost:   between(30*time.Microsecond, 300*time.Microsecond),
		readEvery:   between(5*time.Millisecond, 400*time.Millisecond),
		readBurst:   20 + r.IntN(400),
		stall:       between(10*time.Millisecond, 200*time.Millisecond),
		latency:     between(50*time.Microsecond, 2*time.Millisecond),
	}
	p.hosts = []int{1, 1 + r.IntN(20), p.clients}[r.IntN(3)]
	p.openCost = p.serveCost / 10
	p.stalls = float64(r.IntN(2)) * 0.0005
	p.loss = float64(r.IntN(2)) * 0.01
	p.disorder = 0.2 + 0.8*r.Float64()
	p.slow = float64(r.IntN(2)) * 0.01
	p.bound()
	return p
}

// bound limits the clients, so that the attempts of those that are not in leave the
// server some time.
func (p *parameters) bound() {
	p.clients = min(p.clients, int(2500*time.Millisecond/p.requestCost))
	p.hosts = min(p.hosts, p.clients)
}
