package simulation

import "time"

// clients are those of one server. All connect at about the same time, and again until
// they are in.
type clients struct {
	*world
	p      *parameters
	server *server

	attempts uint64 // number of attempts; the server numbers its clients
	in       int
	failed   int           // attempts
	last     time.Duration // when the last one came in
	slowest  time.Duration // answer of a first attempt, since its connect
}

// client is one client.
type client struct {
	all  *clients
	host int
	slow time.Duration // until it sends its credential; it has all its patience after that
}

// attempt is one connect of a client.
type attempt struct {
	client    *client
	id        uint64
	connected time.Duration
	giveUp    time.Duration
	arrival   time.Duration // at the service
	ended     bool          // the client is in, or has given up
	inTime    bool
}

func newClients(w *world, p *parameters, s *server) *clients {
	all := &clients{world: w, p: p, server: s}
	for i := range p.clients {
		c := &client{all: all, host: i % p.hosts}
		if w.random.Float64() < p.slow {
			c.slow = w.between(time.Second, 4*time.Second)
		}
		w.after(w.between(0, p.ramp), c.connect)
	}
	return all
}

func (c *client) connect() {
	all := c.all
	all.attempts++
	a := &attempt{client: c, id: all.attempts, connected: all.now}
	a.giveUp = c.slow + all.between(2*time.Second, 2300*time.Millisecond)
	all.after(a.giveUp, a.end)
	a.giveUp += all.now
	all.after(c.slow, func() { all.server.connect(a) })
}

// end ends an attempt that has not succeeded, and starts the next.
func (a *attempt) end() {
	if a.ended {
		return
	}
	a.ended = true
	all := a.client.all
	all.failed++
	all.after(all.between(2*time.Second, 2100*time.Millisecond), a.client.connect)
}

// answered lets the client in, if it has not given up.
func (a *attempt) answered() {
	all := a.client.all
	if took := all.now - a.connected - a.client.slow; took > all.slowest {
		all.slowest = took
	}
	if a.ended {
		return
	}
	a.ended, a.inTime = true, true
	all.in++
	all.last = all.now
}
