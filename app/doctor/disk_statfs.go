//go:build linux || darwin

package doctor

import "syscall"

func freeSpace(path string) (s space, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return space{}, false
	}
	block := uint64(st.Bsize) //nolint:gosec // it is not negative
	return space{free: st.Bavail * block, total: st.Blocks * block, noFiles: st.Files > 0 && st.Ffree == 0}, st.Blocks > 0
}
