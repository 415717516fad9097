package filewatch_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"usher/internal/filewatch"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newDir returns the path of a new directory, without links in it.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	return dir
}

func TestTargets(t *testing.T) {
	dir, elsewhere := newDir(t), newDir(t)
	for _, name := range []string{"a", "b"} {
		must(t, os.WriteFile(filepath.Join(elsewhere, name), nil, 0o600))
		must(t, os.Symlink(filepath.Join(elsewhere, name), filepath.Join(dir, name)))
	}
	must(t, os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600))
	for _, c := range []struct{ names, want []string }{
		{nil, []string{dir}},
		{[]string{"plain", "gone"}, []string{dir}},
		{[]string{"a", "plain", "b"}, []string{dir, elsewhere}},
	} {
		if got := filewatch.Targets(dir, c.names...); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.names, got, c.want)
		}
	}
	if got := filewatch.Targets(dir+"-gone", "a"); !slices.Equal(got, []string{dir + "-gone"}) {
		t.Errorf("got %q", got)
	}
}

// Run checks at the start and after a change in any of the directories, also in one
// that Dirs did not return before.
func TestRun(t *testing.T) {
	dirs := []string{newDir(t), newDir(t)}
	checks := make(chan bool, 100)
	calls := 0
	w := filewatch.Watch{
		Dirs:  func() []string { calls++; return dirs[:min(calls, 2)] },
		Check: func() { checks <- true },
		Lost:  func(err error) { t.Error(err) },
	}
	waitForCheck := func() {
		t.Helper()
		select {
		case <-checks:
		case <-time.After(20 * time.Second):
			t.Fatal("no check within 20 s")
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	waitForCheck()
	for _, dir := range dirs {
		for range 3 {
			must(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o600))
		}
		waitForCheck()
	}
	cancel()
	must(t, <-done)
}

func TestRunWithoutDirectory(t *testing.T) {
	w := filewatch.Watch{Dirs: func() []string { return []string{filepath.Join(t.TempDir(), "gone")} }}
	if err := w.Run(t.Context()); err == nil {
		t.Error("it watches a directory that does not exist")
	}
}
