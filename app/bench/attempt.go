package bench

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// dialer opens the connections of one client and observes how each attempt ends. nats.go
// does not report an attempt that fails after the dial while it reconnects, nor the first
// attempts with several servers.
type dialer struct {
	run       *run
	token     string
	onFailure func(failure) // called for each failed attempt; may be nil
	observed  *failure      // the failure of the last attempt, if one was observed
	connected atomic.Bool   // connected once; later failures are not counted
	last      atomic.Pointer[attempt]
}

// Dial implements nats.CustomDialer. nats.go calls it once for each attempt.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	if previous := d.last.Load(); previous != nil {
		previous.supersede()
	}
	d.observed = nil
	conn, err := d.run.dial(network, address)
	if err != nil {
		d.fail(failureOf(err))
		return nil, err
	}
	a := &attempt{Conn: conn, dialer: d, started: d.run.now()}
	// nats.go sets its own deadlines, but none for the TLS handshake of wss.
	if err := conn.SetDeadline(a.started.Add(attemptTimeout)); err != nil {
		conn.Close() //nolint:errcheck // it cannot be used
		d.fail(failureOf(err))
		return nil, err
	}
	a.unwatch = d.run.onEnd(func() { conn.Close() }) //nolint:errcheck // the run has ended
	d.last.Store(a)
	return a, nil
}

func (d *dialer) fail(f failure) {
	if d.connected.Load() || d.run.ended() {
		return
	}
	d.observed = &f
	if d.onFailure != nil {
		d.onFailure(f)
	}
}

// lastFailure returns the failure of the last attempt, for which nats.go returned err.
func (d *dialer) lastFailure(err error) failure {
	a := d.last.Load()
	switch {
	case d.observed != nil:
		return *d.observed
	case a != nil && a.timedOut():
		return failure{Timeout, err}
	default:
		return failureOf(err)
	}
}

// setCredentials sets callbacks for the credential, so the attempt knows whether nats.go
// has read it.
func (d *dialer) setCredentials(o *nats.Options) {
	token := func() string {
		if a := d.last.Load(); a != nil {
			a.credentialRead = true
		}
		return d.token
	}
	if user := d.run.target.User; user != "" {
		o.UserInfo = func() (string, string) { return user, token() }
	} else {
		o.TokenHandler = token
	}
}

// resetOnClose makes the end of the connection, or of this process, reset it. Otherwise
// each one would occupy a port in TIME_WAIT for a minute.
func (a *attempt) resetOnClose() {
	if tcp, ok := a.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may be closed already
	}
}

// close closes the client, which may be nil, and the connection that it leaves open.
func (d *dialer) close(nc *nats.Conn) {
	a := d.last.Load()
	if a != nil {
		a.resetOnClose()
	}
	nc.Close()
	if a != nil {
		a.drop()
	}
}

// The states of an attempt.
const (
	stateHandshake int32 = iota // the handshake is in progress
	stateDone                   // the handshake ended; without a later failure the client is connected
	stateFailed                 // the failure was counted
)

// attempt is one connection of a client. During the handshake nats.go calls it from one
// goroutine, afterwards from several.
type attempt struct {
	net.Conn
	dialer         *dialer
	state          atomic.Int32
	started        time.Time
	finished       time.Time // set before the state is stateDone
	credentialRead bool
	secure         bool
	received       bool // the server sent at least one byte
	unwatch        func() bool
}

// Read observes a refusal by the server, and a lost connection.
func (a *attempt) Read(b []byte) (int, error) {
	n, err := a.Conn.Read(b)
	if a.state.Load() != stateHandshake {
		return n, err
	}
	if f, ok := a.classify(b[:n]); ok {
		a.fail(stateHandshake, f)
	} else if err != nil {
		a.fail(stateHandshake, a.classifyError(err))
	}
	return n, err
}

// classify looks for a failure in what the server sent.
func (a *attempt) classify(sent []byte) (failure, bool) {
	if !a.received && len(sent) > 0 {
		a.received = true
		c := a.dialer.run
		if f, ok := checkGreeting(sent, c.target.Kind, a.secure, c.secure); ok {
			return f, true
		}
	}
	return parseError(sent)
}

// classifyError returns the failure of a connection error.
func (a *attempt) classifyError(err error) failure {
	f := failureOf(err)
	if f.cause == Timeout && !a.received {
		f.err = errSilent
	}
	return f
}

// Write observes a lost connection, and the start of a TLS handshake.
func (a *attempt) Write(b []byte) (int, error) {
	n, err := a.Conn.Write(b)
	if a.state.Load() != stateHandshake {
		return n, err
	}
	if len(b) > 0 && b[0] == tlsHandshake {
		a.secure = true
	}
	if err != nil {
		a.fail(stateHandshake, failureOf(err))
	}
	return n, err
}

// SetDeadline observes the end of the handshake, when nats.go clears the deadline.
func (a *attempt) SetDeadline(t time.Time) error {
	if t.IsZero() && a.state.Load() == stateHandshake {
		a.unwatch()
		a.finished = a.dialer.run.now()
		a.state.CompareAndSwap(stateHandshake, stateDone)
	}
	return a.Conn.SetDeadline(t)
}

// fail counts the attempt as failed, once.
func (a *attempt) fail(from int32, f failure) {
	if a.state.CompareAndSwap(from, stateFailed) {
		a.unwatch()
		a.dialer.fail(f)
	}
}

// supersede ends the attempt when the client begins the next one: the attempt failed, even
// if no failure was observed. nats.go leaves closing the connection to the garbage
// collector, and the process could run out of file descriptors.
func (a *attempt) supersede() {
	inferred := failure{cause: a.inferCause()}
	a.fail(stateHandshake, inferred)
	a.fail(stateDone, inferred)
	a.drop()
}

// drop closes the connection.
func (a *attempt) drop() {
	a.unwatch()
	a.Close() //nolint:errcheck // it is no longer used, and may be closed already
}

// inferCause returns the most likely cause of a failure that was not observed, because it
// was encrypted or because it was not part of the NATS protocol.
func (a *attempt) inferCause() Cause {
	switch {
	case a.timedOut():
		return Timeout
	case a.secure && a.credentialRead:
		return Authorization
	case a.secure:
		return TLS
	default:
		return Other
	}
}

// timedOut reports whether the handshake ended close to its timeout. nats-server sends its
// first PING after 2 s, even if it has not answered yet. nats.go reports an error if that
// PING arrives before its own timeout.
func (a *attempt) timedOut() bool {
	return a.finished.Sub(a.started) > attemptTimeout*9/10
}
