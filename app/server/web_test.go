package server

import (
	"errors"
	"net"
	"testing"

	"usher/callout/callouttest"
	"usher/internal/fault"
)

// TestServeListenerHint: the hint asks about another usher only if the port is taken, and
// names the key of the failed listener.
func TestServeListenerHint(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	defer l.Close() //nolint:errcheck // the end of the test
	_, taken := net.Listen("tcp", l.Addr().String())
	_, foreign := net.Listen("tcp", "192.0.2.1:80")
	for _, key := range []string{"api.listen", "http.listen"} {
		for err, hint := range map[error]string{taken: "is another usher running? give each its own " + key, foreign: ""} {
			var e *fault.Error
			if !errors.As(listenFailed(key, err), &e) || e.Kind != fault.Runtime || e.Hint != hint {
				t.Errorf("%+v", e)
			}
		}
	}
}
