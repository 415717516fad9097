//go:build !linux

package callouttest

import "testing"

// portFree tells whether nobody listens on a port.
func portFree(tb testing.TB, port int) bool {
	tb.Helper()
	l, err := listen(tb, port)
	return err == nil && l.Close() == nil
}
