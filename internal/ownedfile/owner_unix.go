//go:build unix

package ownedfile

import (
	"os"
	"syscall"
)

// nonBlock opens a pipe without waiting for a writer.
const nonBlock = syscall.O_NONBLOCK

// noFollow refuses to open a symbolic link.
const noFollow = syscall.O_NOFOLLOW

// ownerOf returns the user id of the owner of a file, if the system has owners.
func ownerOf(info os.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}
