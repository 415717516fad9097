//go:build unix

package assembly

import "syscall"

// MaxOpenFiles returns how many files this process may open. The Go runtime has raised
// the soft limit to the hard limit.
func MaxOpenFiles() (limit uint64, known bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return uint64(l.Cur), true //nolint:unconvert // it is signed on some systems
}
