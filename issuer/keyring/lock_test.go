package keyring_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"usher/issuer/keyring"
)

// TestMain also serves as a process that holds a lock until its standard input ends.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "lock" {
		os.Exit(holdLock(os.Args[2]))
	}
	os.Exit(m.Run())
}

func holdLock(dir string) int {
	if _, err := keyring.Lock(dir); err != nil {
		return 1
	}
	if _, err := os.Stdout.WriteString("locked\n"); err != nil {
		return 1
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	return 0
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	unlock, err := keyring.Lock(dir)
	must(t, err)
	if _, err := keyring.Lock(dir); !errors.Is(err, keyring.ErrLocked) {
		t.Errorf("a second lock: got %v", err)
	}
	if !keyring.Locked(dir) {
		t.Error("a locked directory counts as free")
	}
	other, err := keyring.Lock(t.TempDir())
	must(t, err)
	other()
	unlock()
	if keyring.Locked(dir) || keyring.Locked(t.TempDir()) {
		t.Error("a free directory counts as locked")
	}
	unlock, err = keyring.Lock(dir)
	must(t, err)
	unlock()
	checkMode(t, filepath.Join(dir, ".lock"))
	if _, err := keyring.Lock(filepath.Join(dir, "none")); err == nil || errors.Is(err, keyring.ErrLocked) {
		t.Errorf("no directory: got %v", err)
	}
}

// Removing the lock file does not release the lock.
func TestLockFileRemoved(t *testing.T) {
	dir := t.TempDir()
	unlock, err := keyring.Lock(dir)
	must(t, err)
	for range 2 {
		must(t, os.Remove(filepath.Join(dir, ".lock")))
		if _, err := keyring.Lock(dir); !errors.Is(err, keyring.ErrLocked) {
			t.Errorf("got %v", err)
		}
	}
	unlock()
	unlock, err = keyring.Lock(dir)
	must(t, err)
	unlock()
}

// The end of a process releases its lock, even if it was killed.
func TestLockOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self, "lock", dir)
	in, err := cmd.StdinPipe() // the process lives while this is open
	must(t, err)
	t.Cleanup(func() { _ = in.Close() })
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "locked\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := keyring.Lock(dir); !errors.Is(err, keyring.ErrLocked) {
		t.Errorf("got %v", err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // the error says that it was killed
	unlock, err := keyring.Lock(dir)
	must(t, err)
	unlock()
}
