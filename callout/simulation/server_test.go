package simulation

import (
	"time"

	"github.com/gammazero/deque"
)

// server is a nats-server with one core. It makes a request of each attempt, and
// processes what each service connection sends, in order. While attempts wait, it
// reads the connections only now and then, as a server does whose thousands of
// goroutines make requests.
type server struct {
	*world
	p       *parameters
	deliver func(connection int, a *attempt)

	attempts    deque.Deque[*attempt]
	connections []deque.Deque[message]
	pending     int // messages on all connections
	reading     int // the connection that is being read
	burst       int // messages that it reads before others have a turn
	nextRead    time.Duration
	busy        bool
	lost        int // requests
}

// message is an answer, or a PING if there is no attempt.
type message struct {
	answer *attempt
	pong   func()
}

func newServer(w *world, p *parameters, deliver func(int, *attempt)) *server {
	return &server{world: w, p: p, deliver: deliver, connections: make([]deque.Deque[message], p.connections)}
}

// connect receives the credential of a client.
func (s *server) connect(a *attempt) {
	s.attempts.PushBack(a)
	s.work()
}

// receive receives what a service connection has sent.
func (s *server) receive(connection int, m message) {
	s.connections[connection].PushBack(m)
	s.pending++
	s.work()
}

// work does the next step, unless one is under way.
func (s *server) work() {
	if s.busy {
		return
	}
	switch {
	case s.burst > 0 && s.connections[s.reading].Len() > 0:
		s.burst--
		s.pending--
		if s.burst == 0 || s.connections[s.reading].Len() == 1 {
			s.burst = 0
			s.nextRead = s.now + s.between(s.p.readEvery/2, s.p.readEvery*3/2)
		}
		m := s.connections[s.reading].PopFront()
		cost := s.p.answerCost
		if m.answer == nil {
			cost /= 10
		}
		s.do(cost, func() {
			if m.answer == nil {
				s.after(s.latency(), m.pong)
			} else {
				m.answer.answered()
			}
		})
	case s.pending > 0 && (s.now >= s.nextRead || s.attempts.Len() == 0):
		s.reading = (s.reading + 1) % len(s.connections)
		s.burst = s.p.readBurst
		s.work()
	case s.attempts.Len() > 0:
		i := 0 // goroutines run in any order
		if s.random.Float64() < s.p.disorder {
			i = s.random.IntN(s.attempts.Len())
		}
		a := s.attempts.Remove(i)
		s.do(s.p.requestCost, func() {
			if s.random.Float64() < s.p.loss {
				s.lost++
				return
			}
			connection := s.random.IntN(len(s.connections))
			s.after(s.latency(), func() { s.deliver(connection, a) })
		})
	}
}

// do does something that takes time, and then continues. Now and then the server
// stalls before it.
func (s *server) do(cost time.Duration, step func()) {
	if s.random.Float64() < s.p.stalls {
		cost += s.between(0, s.p.stall)
	}
	s.busy = true
	s.after(s.between(cost/2, cost*3/2), func() {
		s.busy = false
		step()
		s.work()
	})
}

func (s *server) latency() time.Duration { return s.between(s.p.latency/2, s.p.latency*3/2) }
