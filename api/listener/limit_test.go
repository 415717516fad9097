package listener

import (
	"net"
	"testing"

	"usher/callout/callouttest"
)

// A connection above a limit is closed at once. A new one is accepted as soon as another
// is closed.
func TestLimitListener(t *testing.T) {
	for name, limits := range map[string]struct{ total, perHost int }{"total": {2, 9}, "one host": {9, 2}} {
		t.Run(name, func(t *testing.T) {
			var lc net.ListenConfig
			inner, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
			callouttest.Must(t, err)
			l := newLimitListener(inner, limits.total, limits.perHost)
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
				t.Error("a third connection was accepted")
			}
			callouttest.Must(t, first.Close())
			_ = first.Close() // releases nothing more
			dial()
			third := <-accepted
			if _, err := dial().Read(make([]byte, 1)); err == nil {
				t.Error("a fourth connection was accepted")
			}
			callouttest.Must(t, second.Close())
			callouttest.Must(t, third.Close())
			callouttest.Must(t, inner.Close())
			if _, more := <-accepted; more || l.total != 0 || len(l.byHost) != 0 {
				t.Errorf("still counted: %d connections of %d hosts", l.total, len(l.byHost))
			}
		})
	}
}
