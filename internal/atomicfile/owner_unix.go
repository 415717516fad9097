//go:build unix

package atomicfile

import (
	"io/fs"
	"os"
	"syscall"
)

// KeepOwner returns a function for Write that gives a file to the owner of another one,
// which info describes. Only root can do that; for anyone else it does nothing.
func KeepOwner(info fs.FileInfo) func(*os.File) error {
	return func(f *os.File) error {
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok || os.Geteuid() != 0 {
			return nil
		}
		return f.Chown(int(owner.Uid), int(owner.Gid))
	}
}
