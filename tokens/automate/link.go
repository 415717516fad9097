package automate

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// link is the TCP connection to a service. It tells a connection that has ended from a
// service that answers with an error, which gRPC does not.
type link struct {
	*net.TCPConn

	received atomic.Uint64 // bytes
	ended    atomic.Bool
}

// Read implements net.Conn.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.TCPConn.Read(b)
	l.received.Add(uint64(n)) //nolint:gosec // not negative
	if err != nil {
		l.ended.Store(true)
	}
	return n, err
}

// Close implements net.Conn.
func (l *link) Close() error {
	l.ended.Store(true)
	return l.TCPConn.Close()
}

// broken reports whether there is no connection.
func (l *link) broken() bool { return l == nil || l.ended.Load() }

// dial connects, and makes the connection the link of the service.
func (s *service) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := s.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l := &link{TCPConn: conn.(*net.TCPConn)} //nolint:forcetypeassert // of network tcp
	s.link.Store(l)
	return l, nil
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
