//go:build unix

package keyring

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// chownToFolder changes the owner and group of a file to those of its directory, if the
// process runs as root.
func chownToFolder(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return fmt.Errorf("owner of directory: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}
