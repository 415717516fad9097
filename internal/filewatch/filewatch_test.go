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

// resolved returns a new directory by a name without links.
func resolved(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	return dir
}

func TestTargets(t *testing.T) {
	dir, elsewhere := resolved(t), resolved(t)
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

// It looks in the beginning and after changes of any of the directories, also of
// one that was not among them before.
func TestRun(t *testing.T) {
	dirs := []string{resolved(t), resolved(t)}
	looks := make(chan bool, 100)
	asked := 0
	w := filewatch.Watch{
		Dirs: func() []string { asked++; return dirs[:min(asked, 2)] },
		Look: func() { looks <- true },
		Lost: func(err error) { t.Error(err) },
	}
	look := func() {
		t.Helper()
		select {
		case <-looks:
		case <-time.After(20 * time.Second):
			t.Fatal("it does not look")
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	look()
	for _, dir := range dirs {
		for range 3 {
			must(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o600))
		}
		look()
	}
	cancel()
	must(t, <-done)
}

func TestRunRefuses(t *testing.T) {
	w := filewatch.Watch{Dirs: func() []string { return []string{filepath.Join(t.TempDir(), "gone")} }}
	if err := w.Run(t.Context()); err == nil {
		t.Error("it watches what is not there")
	}
}
