package pki

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/internal/atomicfile"
)

// Wherever a renewal is interrupted, List says so, and the next renewal makes a pair that
// fits. What was interrupted is finished and not done again.
func TestRenewInterrupted(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for done := range 4 { // steps before the end of the process
		dir := Dir(filepath.Join(t.TempDir(), "pki"))
		ca, err := dir.Create("test CA", 0, now)
		must(err)
		must(dir.Issue(&Request{CN: "a", Client: true, Now: now}))
		next, err := ca.Issue(&Request{CN: "a", Client: true, Now: now})
		must(err)
		must(atomicfile.Write(dir.nextFile("a"), next.join(), 0o600, nil))
		for _, step := range dir.steps("a", next)[:done] {
			must(step())
		}
		entries, err := dir.List()
		must(err)
		if interrupted := errors.Is(entries[1].Err, ErrInterrupted); interrupted != (done < 3) {
			t.Errorf("after %d steps: %v", done, entries[1].Err)
		}
		if done == 3 {
			continue
		}
		cert, err := dir.Renew("a", now)
		must(err)
		if want, err := ParseCertificate(next.Cert); err != nil || !cert.Equal(want) {
			t.Errorf("after %d steps: another certificate than the one that was interrupted: %v", done, err)
		}
		if got, err := dir.Certificate("a"); err != nil || !got.Equal(cert) {
			t.Errorf("after %d steps: %v", done, err)
		}
		if _, err := os.Stat(dir.nextFile("a")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after %d steps: %v", done, err)
		}
	}
}

// A file that only looks like an interrupted renewal is not used.
func TestFinishForeign(t *testing.T) {
	now := time.Now()
	dir := Dir(filepath.Join(t.TempDir(), "pki"))
	ca, err := dir.Create("test CA", 0, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Issue(&Request{CN: "a", Client: true, Now: now}); err != nil {
		t.Fatal(err)
	}
	b, err := ca.Issue(&Request{CN: "b", Client: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{nil, []byte("x"), b.Key, b.join()} {
		if err := os.WriteFile(dir.nextFile("a"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := dir.Renew("a", now); !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Only one process renews at a time.
func TestBusy(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "pki"))
	if _, err := dir.Create("test CA", 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	unlock, err := dir.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Renew("a", time.Now()); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	unlock()
	if _, err := dir.Renew("a", time.Now()); errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
}
