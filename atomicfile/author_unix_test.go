//go:build unix

package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"usher/atomicfile"
)

// owned is a file of another user, which a test cannot make.
type owned struct {
	fs.FileInfo
	uid uint32
}

func (o owned) Sys() any { return &syscall.Stat_t{Uid: o.uid} }

func TestCheckAuthor(t *testing.T) {
	me := uint32(os.Geteuid())
	tests := map[string]struct {
		uid       uint32
		file, dir os.FileMode
		ok        bool
	}{
		"ours":                       {me, 0o600, 0o755, true},
		"root's":                     {0, 0o600, 0o755, true},
		"others read it":             {me, 0o644, 0o755, true},
		"another user's":             {me + 4711, 0o600, 0o755, false},
		"its group writes it":        {me, 0o620, 0o755, false},
		"others write it":            {me, 0o602, 0o755, false},
		"everybody's directory":      {me, 0o600, 0o777, false},
		"others write the directory": {me, 0o600, 0o702, false},
		"a sticky directory":         {me, 0o600, 0o777 | os.ModeSticky, true},
	}
	for name, tt := range tests {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		must(t, os.WriteFile(path, nil, 0o600))
		must(t, os.Chmod(path, tt.file))
		must(t, os.Chmod(dir, tt.dir))
		info, err := os.Stat(path)
		must(t, err)
		if err := atomicfile.CheckAuthor(path, owned{info, tt.uid}); tt.ok && err != nil || !tt.ok && !errors.Is(err, atomicfile.ErrAuthor) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
