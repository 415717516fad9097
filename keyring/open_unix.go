//go:build unix

package keyring

import "syscall"

// openNow opens a pipe without waiting for a writer.
const openNow = syscall.O_NONBLOCK
