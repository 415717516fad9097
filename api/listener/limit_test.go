package listener

import (
	"net"
	"testing"

	"usher/callout/callouttest"
)

// Whoever connects when there are enough is closed at once, and others can come
// as soon as there is room.
func TestLimitedListener(t *testing.T) {
	for name, limits := range map[string]struct{ most, perHost int }{"all": {2, 9}, "one host": {9, 2}} {
		t.Run(name, func(t *testing.T) {
			var lc net.ListenConfig
			inner, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
			callouttest.Must(t, err)
			l := newLimitListener(inner, limits.most, limits.perHost)
			accepted := make(chan net.Conn)
			go func() {
				defer close(accepted)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					accepted <- conn
				}
			}()
			dial := func() net.Conn {
				var d net.Dialer
				conn, err := d.DialContext(t.Context(), "tcp", inner.Addr().String())
				callouttest.Must(t, err)
				t.Cleanup(func() { _ = conn.Close() })
				return conn
			}
			dial()
			dial()
			first, second := <-accepted, <-accepted
			if _, err := dial().Read(make([]byte, 1)); err == nil {
				t.Error("a third one is held")
			}
			callouttest.Must(t, first.Close())
			_ = first.Close() // counts once
			dial()
			third := <-accepted
			if _, err := dial().Read(make([]byte, 1)); err == nil {
				t.Error("a fourth one is held")
			}
			callouttest.Must(t, second.Close())
			callouttest.Must(t, third.Close())
			callouttest.Must(t, inner.Close())
			if _, more := <-accepted; more || l.all != 0 || len(l.hosts) != 0 {
				t.Errorf("left: %d of %d hosts", l.all, len(l.hosts))
			}
		})
	}
}
