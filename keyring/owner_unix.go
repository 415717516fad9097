//go:build unix

package keyring

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// give gives a file that root has made to the owner and group of its directory.
func give(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return fmt.Errorf("look at directory: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}

// giveDir is give for a directory. It is opened, so that nothing else can be put in
// its place before it is given away.
func giveDir(path string) error {
	d, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0) //nolint:gosec // the path is the operator's
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing is written to it
	return give(d)
}
