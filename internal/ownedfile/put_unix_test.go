//go:build unix

package ownedfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"usher/internal/ownedfile"
)

// An open folder stays the one that was checked, and no link leads out of it.
func TestOpenFolder(t *testing.T) {
	top, elsewhere := t.TempDir(), t.TempDir()
	dir := filepath.Join(top, "dir")
	must(t, os.Mkdir(dir, 0o700))
	root, err := ownedfile.OpenFolder(dir)
	must(t, err)
	defer root.Close() //nolint:errcheck // nothing is written to it
	must(t, os.Rename(dir, filepath.Join(top, "gone")))
	must(t, os.Symlink(elsewhere, dir)) // in its place
	must(t, ownedfile.MakeSubfolder(root, "sub", nil))
	must(t, ownedfile.MakeSubfolder(root, "sub", nil))
	must(t, os.Symlink(elsewhere, filepath.Join(top, "gone", "link")))
	if err := ownedfile.MakeSubfolder(root, "link", nil); !errors.Is(err, ownedfile.ErrLink) {
		t.Errorf("a link in place of a folder: %v", err)
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) != 0 {
		t.Errorf("created through a link: %v, %v", left, err)
	}
	if _, err := ownedfile.OpenFolder(filepath.Join(top, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	must(t, os.Chmod(elsewhere, 0o777))
	if _, err := ownedfile.OpenFolder(dir); !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("a folder that every user can write: %v", err)
	}
}

func TestOpenAppend(t *testing.T) {
	top := t.TempDir()
	path, link := filepath.Join(top, "file"), filepath.Join(top, "link")
	must(t, os.Symlink("file", link))
	for _, path := range []string{path, link} {
		f, err := ownedfile.OpenAppend(path)
		must(t, err)
		_, err = f.WriteString("x")
		must(t, errors.Join(err, f.Close()))
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "xx" {
		t.Errorf("%q, %v", text, err)
	}
}
