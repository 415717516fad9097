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

// put writes a file, gives it a mode, and to another user if root runs the test.
// Without root the file is another's all the same: it can be written by everybody.
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

// Real files: the walk and what is opened go together.
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
	} else { // nobody else can be made to plant it: what it leads to is others'
		must(t, os.Remove(filepath.Join(sticky, "planted")))
		must(t, os.Symlink(filepath.Join(folder, "writable"), filepath.Join(sticky, "planted")))
	}
	must(t, syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600))
	for name, want := range map[string]error{
		"folder/good": nil, "folder/writable": ownedfile.ErrOthers, "folder/link": nil, "folder/elsewhere": ownedfile.ErrOthers,
		"folder/pipe": ownedfile.ErrNotRegular, "folder": ownedfile.ErrNotRegular, "folder/none": fs.ErrNotExist, "folder/good/x": syscall.ENOTDIR,
		"open/good": ownedfile.ErrOthers, "sticky/good": nil, "sticky/foreign": ownedfile.ErrOthers, "sticky/planted": ownedfile.ErrOthers,
	} {
		text, info, err := ownedfile.Read(filepath.Join(top, name), ownedfile.Rule{})
		if want == nil && (err != nil || string(text) != "text" || info.Size() != 4) || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
	}
	if _, _, err := ownedfile.Read(filepath.Join(folder, "good"), ownedfile.Rule{Max: 3}); !errors.Is(err, ownedfile.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := ownedfile.CheckLink(filepath.Join(sticky, "planted")); os.Geteuid() == 0 && !errors.Is(err, ownedfile.ErrOthers) {
		t.Errorf("a planted link: %v", err)
	}
	if err := ownedfile.CheckLink(filepath.Join(folder, "link")); err != nil {
		t.Errorf("a link of our own: %v", err)
	}
	// What the shell hands over as a file is no file.
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

// New files go through no link below the folder they are made in, nor where others
// can put files of their own.
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
		t.Errorf("written elsewhere: %v, %v", left, err)
	}
	for _, mode := range []fs.FileMode{0o777, 0o777 | fs.ModeSticky} {
		must(t, os.Chmod(base, mode))
		if err := ownedfile.MakeOwnFolder(base, "c"); !errors.Is(err, ownedfile.ErrOthers) {
			t.Errorf("mode %v: %v", mode, err)
		}
		// A folder for files whose owner is looked at may be sticky.
		if err := ownedfile.MakeFolder(filepath.Join(base, "c")); (err == nil) != (mode&fs.ModeSticky != 0) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}
