package main

import (
	"errors"
	"strings"
	"testing"

	"usher/internal/fault"

	"github.com/nats-io/nats.go"
)

// A server that maps certificates to users of its own does not ask usher, whose audit has
// nothing.
func TestRefusedCertificateHint(t *testing.T) {
	t.Parallel()
	for _, cert := range []bool{true, false} {
		var e *fault.Error
		err := notConnected(&tryTarget{server: "nats://127.0.0.1:4222", cert: cert}, true, nats.ErrAuthorization)
		if !errors.As(err, &e) || strings.Contains(e.Hint, "the server decides by its own list of users") != cert {
			t.Errorf("cert %v: %+v", cert, e)
		}
	}
}
