package atomicfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"usher/internal/atomicfile"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	errPrepare := errors.New("prepare failed")
	if err := atomicfile.New(path, []byte("one"), func(*os.File) error { return errPrepare }); !errors.Is(err, errPrepare) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	must(t, atomicfile.New(path, []byte("two"), func(f *os.File) error { return f.Chmod(0o640) }))
	if err := atomicfile.New(path, []byte("three"), nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("%v", err)
	}
	info, err := os.Stat(path)
	must(t, err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("mode %s", info.Mode())
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "two" {
		t.Errorf("%q %v", text, err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	must(t, atomicfile.Write(path, []byte("one"), 0o600, nil))
	must(t, atomicfile.Write(path, []byte("two"), 0o640, func(f *os.File) error {
		if text, err := os.ReadFile(f.Name()); err != nil || string(text) != "two" {
			t.Errorf("prepare sees %q: %v", text, err)
		}
		return nil
	}))
	errPrepare := errors.New("prepare failed")
	if err := atomicfile.Write(path, []byte("three"), 0o600, func(*os.File) error { return errPrepare }); !errors.Is(err, errPrepare) {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "two" {
		t.Errorf("%q %v", text, err)
	}
	info, err := os.Stat(path)
	must(t, err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("mode %s", info.Mode())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := atomicfile.Write(filepath.Join(dir, "none", "file"), nil, 0o600, nil); err == nil {
		t.Error("wrote to a directory that does not exist")
	}
}
