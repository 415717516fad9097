package callouttest

import (
	"syscall"
	"testing"
)

// portFree tells whether nobody listens on a port. It binds a socket and does not listen:
// a process that is forked at that moment has a copy of the socket until it executes its
// program, and on a copy that listens, the server that gets the port could not listen.
func portFree(tb testing.TB, port int) bool {
	tb.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	Must(tb, err)
	defer func() { _ = syscall.Close(fd) }()
	Must(tb, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	return syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}) == nil
}
