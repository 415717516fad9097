//go:build unix

package ownedfile

import (
	"os"
	"syscall"
)

// openNow opens a pipe without waiting for a writer.
const openNow = syscall.O_NONBLOCK

// noFollow opens no link.
const noFollow = syscall.O_NOFOLLOW

// ownerOf returns the user that a file belongs to, if the system has such a thing.
func ownerOf(info os.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}
