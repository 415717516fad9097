package bench

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// dialer makes the connections of one client, and sees how each attempt ends:
// nats.go tells nobody of an attempt that fails after the dial while it
// reconnects, nor of the first ones of several servers.
type dialer struct {
	course *course
	token  string
	failed func(failure) // is told of each failed attempt; nil: nobody is
	seen   *failure      // of the last attempt, if it failed and that was seen
	in     atomic.Bool   // connected once; what comes later is not counted
	last   atomic.Pointer[attempt]
}

// Dial is what nats.go calls, once for each attempt.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	if before := d.last.Load(); before != nil {
		before.lapse()
	}
	d.seen = nil
	conn, err := d.course.dial(network, address)
	if err != nil {
		d.fail(failureOf(err))
		return nil, err
	}
	a := &attempt{Conn: conn, dialer: d, begun: d.course.now()}
	// nats.go sets its own deadlines, but none for the TLS handshake of wss.
	if err := conn.SetDeadline(a.begun.Add(wait)); err != nil {
		conn.Close() //nolint:errcheck // it is of no use
		d.fail(failureOf(err))
		return nil, err
	}
	a.release = d.course.watch(func() { conn.Close() }) //nolint:errcheck // the run is over
	d.last.Store(a)
	return a, nil
}

func (d *dialer) fail(f failure) {
	if d.in.Load() || d.course.over() {
		return
	}
	d.seen = &f
	if d.failed != nil {
		d.failed(f)
	}
}

// why returns why the last attempt failed, of which nats.go says err.
func (d *dialer) why(err error) failure {
	a := d.last.Load()
	switch {
	case d.seen != nil:
		return *d.seen
	case a != nil && a.late():
		return failure{Timeout, err}
	default:
		return failureOf(err)
	}
}

// present makes nats.go ask for the credential, so that it is known when it does.
func (d *dialer) present(o *nats.Options) {
	token := func() string {
		if a := d.last.Load(); a != nil {
			a.asked = true
		}
		return d.token
	}
	if user := d.course.target.User; user != "" {
		o.UserInfo = func() (string, string) { return user, token() }
	} else {
		o.TokenHandler = token
	}
}

// end closes the client, nil if there is none, and what it leaves open. It is a
// short end: otherwise each would keep a port of this machine for a minute.
func (d *dialer) end(nc *nats.Conn) {
	a := d.last.Load()
	if a != nil {
		if tcp, ok := a.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it may be closed already
		}
	}
	nc.Close()
	if a != nil {
		a.discard()
	}
}

// The states of an attempt.
const (
	trying int32 = iota // the handshake goes on
	over                // it has ended; if nothing else comes the client is connected
	failed              // counted
)

// attempt is one connection of a client. nats.go calls it, in this order and
// from one goroutine, until the handshake is over; then from others.
type attempt struct {
	net.Conn
	dialer  *dialer
	state   atomic.Int32
	begun   time.Time
	ended   time.Time // set before state is over
	asked   bool
	secure  bool
	heard   bool // something came from the server
	release func() bool
}

// Read sees the server's refusal, or that it is gone.
func (a *attempt) Read(b []byte) (int, error) {
	n, err := a.Conn.Read(b)
	if a.state.Load() != trying {
		return n, err
	}
	if f, ok := a.judge(b[:n]); ok {
		a.fail(trying, f)
	} else if err != nil {
		a.fail(trying, a.broken(err))
	}
	return n, err
}

// judge looks for a failure in what came from the server.
func (a *attempt) judge(sent []byte) (failure, bool) {
	if !a.heard && len(sent) > 0 {
		a.heard = true
		c := a.dialer.course
		if f, ok := greeting(sent, c.target.Kind, a.secure, c.secure); ok {
			return f, true
		}
	}
	return refusal(sent)
}

// broken judges an error of the connection.
func (a *attempt) broken(err error) failure {
	f := failureOf(err)
	if f.cause == Timeout && !a.heard {
		f.err = errSilent
	}
	return f
}

// Write sees that the server is gone.
func (a *attempt) Write(b []byte) (int, error) {
	n, err := a.Conn.Write(b)
	if a.state.Load() != trying {
		return n, err
	}
	if len(b) > 0 && b[0] == tlsHandshake {
		a.secure = true
	}
	if err != nil {
		a.fail(trying, failureOf(err))
	}
	return n, err
}

// SetDeadline sees the end of the handshake: nats.go takes the deadline away.
func (a *attempt) SetDeadline(t time.Time) error {
	if t.IsZero() && a.state.Load() == trying {
		a.release()
		a.ended = a.dialer.course.now()
		a.state.CompareAndSwap(trying, over)
	}
	return a.Conn.SetDeadline(t)
}

// fail counts the attempt, once.
func (a *attempt) fail(from int32, f failure) {
	if a.state.CompareAndSwap(from, failed) {
		a.release()
		a.dialer.fail(f)
	}
}

// lapse is called when the client begins another attempt: this one failed,
// though that could not be seen. nats.go leaves closing it to the garbage
// collector, which would take the files of this process.
func (a *attempt) lapse() {
	unseen := failure{cause: a.unseen()}
	a.fail(trying, unseen)
	a.fail(over, unseen)
	a.discard()
}

func (a *attempt) discard() {
	a.release()
	a.Close() //nolint:errcheck // nobody uses it any more, and it may be closed already
}

// unseen is the cause of a failure that could not be seen because it was
// encrypted, or because it was none of NATS.
func (a *attempt) unseen() Cause {
	switch {
	case a.late():
		return Timeout
	case a.secure && a.asked:
		return Authorization
	case a.secure:
		return TLS
	default:
		return Other
	}
}

// late reports whether the time was as good as up when the handshake ended.
// nats-server sends its first PING after 2 s, whether or not it has answered
// yet; nats.go takes that for a fault when it comes before its own deadline.
func (a *attempt) late() bool {
	return a.ended.Sub(a.begun) > wait*9/10
}
