package automate

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// link is the TCP connection to a service. It tells a connection that has ended from a
// service that answers with an error, which gRPC does not.
type link struct {
	*net.TCPConn

	now      func() time.Time
	made     time.Time
	received atomic.Uint64 // bytes
	verified atomic.Bool   // the certificate of the service is good
	ended    atomic.Pointer[time.Time]
}

func (l *link) end() {
	now := l.now()
	l.ended.CompareAndSwap(nil, &now)
}

// refused reports whether the service seems to have ended the connection because of
// usher's certificate. With TLS 1.3 that is after the handshake, and usher may see nothing
// but a connection that has been closed.
func (l *link) refused() bool {
	const soon = time.Second
	if l == nil || !l.verified.Load() {
		return false
	}
	ended := l.ended.Load()
	return ended != nil && ended.Sub(l.made) < soon
}

// Read implements net.Conn.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.TCPConn.Read(b)
	l.received.Add(uint64(n)) //nolint:gosec // not negative
	if err != nil {
		l.end()
	}
	return n, err
}

// Close implements net.Conn.
func (l *link) Close() error {
	l.end()
	return l.TCPConn.Close()
}

// broken reports whether there is no connection.
func (l *link) broken() bool { return l == nil || l.ended.Load() != nil }

// dial connects, and makes the connection the link of the service.
func (s *service) dial(ctx context.Context, address string) (net.Conn, error) {
	if err := s.pace(ctx); err != nil {
		return nil, err
	}
	conn, err := s.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l := &link{TCPConn: conn.(*net.TCPConn), now: s.now, made: s.now()} // of network tcp
	s.link.Store(l)
	return l, nil
}

// pace waits if the last connection was made a moment ago. gRPC itself waits only after
// one that failed: a service that ends each of them after the handshake, as a proxy without
// a service behind it may, would be connected to without a pause.
func (s *service) pace(ctx context.Context) error {
	last := s.link.Load()
	if last == nil {
		return nil
	}
	apart := min(minApart, s.timeout/2)
	wait := min(apart-s.now().Sub(last.made), apart) // the clock may have been set back
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// verifiedTLS takes note that the certificate of the service is good. The handshake is that of
// the newest link: gRPC makes one at a time.
func (s *service) verifiedTLS(tls.ConnectionState) error {
	if l := s.link.Load(); l != nil {
		l.verified.Store(true)
	}
	return nil
}

// watch observes the connection during a call.
type watch struct {
	*link

	received uint64
	began    time.Time
}

func (s *service) watch() watch {
	w := watch{link: s.link.Load(), began: s.now()}
	if w.link != nil {
		w.received = w.link.received.Load()
	}
	return w
}

// silent reports whether nothing arrived during a call that took a while: the other end
// may be gone without having said so. gRPC looks no earlier than after 10 s.
func (w watch) silent(now time.Time, patience time.Duration) bool {
	return w.link != nil && now.Sub(w.began) >= patience && w.link.received.Load() == w.received
}
