package server

import (
	"errors"
	"net"
	"testing"

	"usher/callout/callouttest"
	"usher/internal/fault"
)

// TestServeListenerHint: what cannot be listened at is another usher's only if it is taken.
func TestServeListenerHint(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	defer l.Close() //nolint:errcheck // the end of the test
	_, taken := net.Listen("tcp", l.Addr().String())
	_, foreign := net.Listen("tcp", "192.0.2.1:80")
	for err, hint := range map[error]bool{taken: true, foreign: false} {
		var e *fault.Error
		if !errors.As(listenFailed(err), &e) || e.Kind != fault.Runtime || (e.Hint != "") != hint {
			t.Errorf("%+v", e)
		}
	}
}
