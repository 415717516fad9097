package simulation

import (
	"strconv"
	"time"

	"github.com/gammazero/deque"

	"usher/callout/admission"
	"usher/callout/congestion"
)

// service answers requests. It has one core.
type service interface {
	arrive(connection int, a *attempt)
	results() results
}

// results are counts of requests.
type results struct {
	answers int
	shed    map[admission.State]int
}

// fifo is a service without admission control: first in, first out, and no limit on
// answers in flight.
type fifo struct {
	*world
	p      *parameters
	server *server
	queue  deque.Deque[func()]
	busy   bool
	count  int
}

func (f *fifo) arrive(connection int, a *attempt) {
	f.queue.PushBack(func() {
		f.count++
		f.after(f.server.latency(), func() { f.server.receive(connection, message{answer: a}) })
	})
	f.work()
}

func (f *fifo) work() {
	if f.busy || f.queue.Len() == 0 {
		return
	}
	f.busy = true
	f.after(f.p.openCost+f.p.serveCost, func() {
		f.busy = false
		f.queue.PopFront()()
		f.work()
	})
}

func (f *fifo) results() results { return results{answers: f.count} }

// usher is the service with admission and congestion control, as callout has it.
type usher struct {
	*world
	p            *parameters
	server       *server
	connections  []*connection
	connectTimes *admission.ConnectTimes
	next         int // the connection whose request is next
	busy         bool
	opening      time.Duration // cost of the requests opened since
	count        results
}

// connection is one connection of usher.
type connection struct {
	index    int
	queue    *admission.Queue[*attempt]
	window   *congestion.Window
	flushing bool
	unsent   int // answers not covered by a flush
}

func newUsher(w *world, p *parameters, s *server) *usher {
	u := &usher{world: w, p: p, server: s, connectTimes: admission.NewConnectTimes(), count: results{shed: map[admission.State]int{}}}
	for i := range p.connections {
		c := &connection{index: i, window: congestion.NewWindow(p.connections, w.Now)}
		c.queue = admission.NewQueue(admission.Config[*attempt]{
			Limit: (8192 + p.connections - 1) / p.connections, Patience: 2 * time.Second, Order: p.order,
			Delay: c.window.Delay, Now: w.Now,
			Open: func(a *attempt) (admission.Source, bool) { return u.open(c, a) },
		})
		u.connections = append(u.connections, c)
	}
	return u
}

func (u *usher) arrive(connection int, a *attempt) {
	a.arrival = u.now
	if !u.connections[connection].queue.Add(a, u.Now()) {
		u.count.shed[admission.Evicted]++
	}
	u.work()
}

// open finds the source of a request. When many wait, it verifies one now and then to
// learn when its client connected.
func (u *usher) open(c *connection, a *attempt) (admission.Source, bool) {
	u.opening += u.p.openCost
	arrival := u.Now().Add(a.arrival - u.now)
	if c.queue.Len() >= 32 && u.connectTimes.NeedsSample("server", a.id, arrival) {
		u.opening += u.p.serveCost / 2
		u.connectTimes.Observe("server", a.id, arrival)
	}
	return admission.Source{Name: strconv.Itoa(a.client.host), Connected: u.connectTimes.ConnectedBy("server", a.id, arrival)}, true
}

// work serves the next request, unless one is being served.
func (u *usher) work() {
	for range u.connections {
		if u.busy {
			return
		}
		c := u.connections[u.next]
		u.next = (u.next + 1) % len(u.connections)
		u.dispatch(c)
	}
}

// dispatch serves the next request of a connection, if its window has a free slot.
func (u *usher) dispatch(c *connection) {
	limit, acquired := c.window.Size()
	if acquired >= limit || c.queue.Len() == 0 {
		return
	}
	c.window.Acquire()
	for {
		item, ok := c.queue.Next()
		if !ok {
			c.window.Release()
			return
		}
		if item.State != admission.Admitted {
			u.count.shed[item.State]++
			continue
		}
		cost := u.p.serveCost + u.opening
		u.opening = 0
		u.busy = true
		u.after(u.between(cost/2, cost*3/2), func() { u.respond(c, item.Value) })
		return
	}
}

func (u *usher) respond(c *connection, a *attempt) {
	u.busy = false
	u.connectTimes.Observe("server", a.id, u.Now().Add(a.arrival-u.now))
	u.count.answers++
	u.after(u.server.latency(), func() { u.server.receive(c.index, message{answer: a}) })
	c.window.Sent()
	c.unsent++
	u.flush(c)
	u.work()
}

// flush begins a flush if answers have been sent, and none is under way.
func (u *usher) flush(c *connection) {
	if c.flushing || c.unsent == 0 {
		return
	}
	c.flushing, c.unsent = true, 0
	epoch, _ := c.window.BeginFlush(nil)
	u.after(u.server.latency()*2, func() {
		u.server.receive(c.index, message{pong: func() {
			c.flushing = false
			c.window.EndFlush(epoch)
			u.flush(c)
			u.work()
		}})
	})
}

func (u *usher) results() results { return u.count }
