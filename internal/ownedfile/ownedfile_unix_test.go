//go:build unix

package ownedfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"usher/internal/ownedfile"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// put writes a file with a mode. A foreign file belongs to another user if root runs
// the test; otherwise every user can write it.
func put(t *testing.T, path string, mode fs.FileMode, foreign bool) {
	t.Helper()
	must(t, os.WriteFile(path, []byte("text"), 0o600))
	if foreign && os.Geteuid() == 0 {
		must(t, os.Lchown(path, 4711, 4711))
	} else if foreign {
		mode |= 0o002
	}
	must(t, os.Chmod(path, mode))
}

// Read with real files: what walk checks is what is opened.
func TestRead(t *testing.T) {
	top := t.TempDir()
	folder, open, sticky := filepath.Join(top, "folder"), filepath.Join(top, "open"), filepath.Join(top, "sticky")
	for path, mode := range map[string]fs.FileMode{folder: 0o755, open: 0o777, sticky: 0o777 | fs.ModeSticky} {
		must(t, os.Mkdir(path, 0o700))
		must(t, os.Chmod(path, mode))
	}
	put(t, filepath.Join(folder, "good"), 0o644, false)
	put(t, filepath.Join(folder, "writable"), 0o646, false)
	put(t, filepath.Join(open, "good"), 0o644, false)
	put(t, filepath.Join(sticky, "good"), 0o644, false)
	put(t, filepath.Join(sticky, "foreign"), 0o644, true)
	must(t, os.Symlink("good", filepath.Join(folder, "link")))
	must(t, os.Symlink(filepath.Join(open, "good"), filepath.Join(folder, "elsewhere")))
	must(t, os.Symlink(filepath.Join(folder, "good"), filepath.Join(sticky, "planted")))
	if os.Geteuid() == 0 {
		must(t, os.Lchown(filepath.Join(sticky, "planted"), 4711, 4711))
	} else { // without root, the link cannot have another owner: let its target be untrusted
		must(t, os.Remove(filepath.Join(sticky, "planted")))
		must(t, os.Symlink(filepath.Join(folder, "writable"), filepath.Join(sticky, "planted")))
	}
	must(t, syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600))
	for name, want := range map[string]error{
		"folder/good": nil, "folder/writable": ownedfile.ErrUntrusted, "folder/link": nil, "folder/elsewhere": ownedfile.ErrUntrusted,
		"folder/pipe": ownedfile.ErrNotRegular, "folder": ownedfile.ErrNotRegular, "folder/none": fs.ErrNotExist, "folder/good/x": syscall.ENOTDIR,
		"open/good": ownedfile.ErrUntrusted, "sticky/good": nil, "sticky/foreign": ownedfile.ErrUntrusted, "sticky/planted": ownedfile.ErrUntrusted,
	} {
		text, info, err := ownedfile.Read(filepath.Join(top, name), ownedfile.Rule{})
		if want == nil && (err != nil || string(text) != "text" || info.Size() != 4) || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
	}
	if _, _, err := ownedfile.Read(filepath.Join(folder, "good"), ownedfile.Rule{Max: 3}); !errors.Is(err, ownedfile.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := ownedfile.CheckLink(filepath.Join(sticky, "planted")); os.Geteuid() == 0 && !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("a link of another user: %v", err)
	}
	if err := ownedfile.CheckLink(filepath.Join(folder, "link")); err != nil {
		t.Errorf("a link of this user: %v", err)
	}
	// A pipe, as the shell passes it for <(command).
	r, w, err := os.Pipe()
	must(t, err)
	_, err = w.WriteString("text")
	must(t, errors.Join(err, w.Close()))
	if text, _, err := ownedfile.Read("/dev/fd/"+itoa(r.Fd()), ownedfile.Rule{Secret: true, Pipe: true}); err != nil || string(text) != "text" {
		t.Errorf("a pipe: got %q, %v", text, err)
	}
	must(t, r.Close())
}

func itoa(n uintptr) string { // of a small number
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// MakeOwnFolder follows no link below base, and creates nothing where other users can
// create files.
func TestMakeOwnFolder(t *testing.T) {
	top := t.TempDir()
	base := filepath.Join(top, "a", "b")
	must(t, ownedfile.MakeOwnFolder(base, filepath.Join("c", "d")))
	must(t, ownedfile.MakeOwnFolder(base, "."))
	for _, path := range []string{filepath.Join(top, "a"), base, filepath.Join(base, "c", "d")} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v", path, info.Mode())
		}
	}
	elsewhere := t.TempDir()
	must(t, os.Symlink(elsewhere, filepath.Join(base, "keys")))
	for _, rel := range []string{"keys", "keys/x"} {
		if err := ownedfile.MakeOwnFolder(base, rel); !errors.Is(err, ownedfile.ErrLink) {
			t.Errorf("%s: %v", rel, err)
		}
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) != 0 {
		t.Errorf("created through a link: %v, %v", left, err)
	}
	for _, mode := range []fs.FileMode{0o777, 0o777 | fs.ModeSticky} {
		must(t, os.Chmod(base, mode))
		if err := ownedfile.MakeOwnFolder(base, "c"); !errors.Is(err, ownedfile.ErrUntrusted) {
			t.Errorf("mode %v: %v", mode, err)
		}
		// MakeFolder accepts a sticky folder, because the owner of files is checked.
		if err := ownedfile.MakeFolder(filepath.Join(base, "c")); (err == nil) != (mode&fs.ModeSticky != 0) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}
