package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrAuthor: somebody else than root or the user of this process could have
// written a file, or put it in its place.
var ErrAuthor = errors.New("others could have put it there")

// CheckAuthor reports ErrAuthor for a file that belongs to another user, that its
// group or others can write, or that lies where everybody can put another in its
// place. Where files have no owners and modes it finds nothing.
func CheckAuthor(path string, info os.FileInfo) error {
	owner, ok := ownerOf(info)
	if !ok {
		return nil
	}
	if owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("%s: %w (it belongs to user %d)", path, ErrAuthor, owner)
	}
	const group, others = 0o020, 0o002
	if mode := info.Mode().Perm(); mode&(group|others) != 0 {
		return fmt.Errorf("%s: %w (mode %04o)", path, ErrAuthor, mode)
	}
	dir := filepath.Dir(path)
	d, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if d.Mode().Perm()&others != 0 && d.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%s: %w (mode %04o of %s)", path, ErrAuthor, d.Mode().Perm(), dir)
	}
	return nil
}
