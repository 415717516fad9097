package file_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/directory/file"
	"usher/internal/strictyaml"
)

const (
	oneUser  = "users:\n- name: a\n"
	twoUsers = "users:\n- name: a\n- name: b\n"
	bad      = "users:\n- nam: a\n"
)

// harness is a running store of a file in a directory of its own.
type harness struct {
	store  *file.Store
	path   string
	events chan file.ReloadEvent
	log    *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

func open(t *testing.T, path string) *harness {
	t.Helper()
	h := &harness{path: path, events: make(chan file.ReloadEvent, 100), log: &logBuffer{}}
	store, err := file.Open(file.Config{
		Path: path, Log: slog.New(slog.NewTextHandler(h.log, nil)), Now: time.Now,
		OnReload: func(e file.ReloadEvent) { h.events <- e },
	})
	if err != nil {
		t.Fatal(err)
	}
	h.store = store
	return h
}

// start runs the store until the test ends.
func start(t *testing.T, path string) *harness {
	t.Helper()
	h := open(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.store.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return h
}

// next waits for the next attempt to reload and returns its error.
func (h *harness) next(t *testing.T) error {
	t.Helper()
	select {
	case e := <-h.events:
		if e.At.IsZero() {
			t.Error("an event without a time")
		}
		return e.Err
	case <-time.After(20 * time.Second):
		t.Fatal("the change is not noticed")
		return nil
	}
}

func (h *harness) users(t *testing.T, want int) {
	t.Helper()
	if got := h.store.Snapshot().Size().Users; got != want {
		t.Fatalf("%d users, want %d", got, want)
	}
}

// becomes replaces the file and expects it to be loaded.
func (h *harness) becomes(t *testing.T, text string, users int) {
	t.Helper()
	replace(t, h.path, text)
	if err := h.next(t); err != nil {
		t.Fatal(err)
	}
	h.users(t, users)
}

// replace renames a new file over path, as editors do.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func fresh(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "directory.yaml")
	write(t, path, text)
	return path
}

func TestOpenRefuses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	path := fresh(t, bad)
	for _, cfg := range []file.Config{
		{},
		{Path: path, Log: log},
		{Path: path, Now: time.Now},
		{Path: path, Log: log, Now: time.Now},
		{Path: path + ".none", Log: log, Now: time.Now},
	} {
		if s, err := file.Open(cfg); err == nil || s != nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func TestReloadOnDemand(t *testing.T) {
	h := open(t, fresh(t, oneUser))
	loaded := h.store.LoadedAt()
	if err := h.store.Reload(); err != nil || len(h.events) != 0 {
		t.Errorf("unchanged: %v, %d events", err, len(h.events))
	}
	write(t, h.path, bad)
	for range 2 { // a faulty file is an error on each Reload
		err := h.store.Reload()
		var faults strictyaml.Errors
		if !errors.As(err, &faults) || !strings.Contains(err.Error(), "stays in use") {
			t.Fatalf("got %v", err)
		}
		if err := h.next(t); err == nil {
			t.Error("the event has no error")
		}
	}
	h.users(t, 1)
	if !h.store.LoadedAt().Equal(loaded) {
		t.Error("LoadedAt moved without a load")
	}
	write(t, h.path, twoUsers)
	if err := h.store.Reload(); err != nil {
		t.Fatal(err)
	}
	h.users(t, 2)
	if !h.store.LoadedAt().After(loaded) {
		t.Error("LoadedAt did not move")
	}
}

func TestWatch(t *testing.T) {
	h := start(t, fresh(t, oneUser))
	write(t, h.path, twoUsers)
	for h.next(t) != nil { // a write in place may be seen half done
	}
	h.users(t, 2)
	h.becomes(t, oneUser, 1)
	replace(t, h.path, bad)
	if err := h.next(t); err == nil {
		t.Fatal("a bad file is taken over")
	}
	h.users(t, 1)
	h.becomes(t, twoUsers, 2)
	if got := h.log.count("fault in the file"); got < 1 {
		t.Error("the fault is not logged")
	}
	if got := h.log.count(`path=users[0].nam message="unknown key"`); got != 1 {
		t.Errorf("the fault is logged %d times", got)
	}
}

func TestWatchComesBackToWhatIsInUse(t *testing.T) {
	h := start(t, fresh(t, oneUser))
	loaded := h.store.LoadedAt()
	replace(t, h.path, bad)
	if err := h.next(t); err == nil {
		t.Fatal("a bad file is taken over")
	}
	h.becomes(t, oneUser, 1)
	if !h.store.LoadedAt().Equal(loaded) {
		t.Error("LoadedAt moved without a load")
	}
}

func TestWatchUnchanged(t *testing.T) {
	h := start(t, fresh(t, oneUser))
	replace(t, h.path, oneUser)
	write(t, h.path+"-other", "x")
	h.becomes(t, twoUsers, 2) // the first event is of this change
}

func TestWatchDeletion(t *testing.T) {
	h := start(t, fresh(t, oneUser))
	if err := os.Remove(h.path); err != nil {
		t.Fatal(err)
	}
	if err := h.next(t); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	h.users(t, 1)
	write(t, h.path+"-other", "x") // another look, and nothing new to say
	h.becomes(t, twoUsers, 2)
	if got := h.log.count("no such file"); got != 1 {
		t.Errorf("the loss is logged %d times", got)
	}
}

// Kubernetes mounts file → ..data/file and ..data → ..version, and renames a
// new ..data over the old.
func TestWatchSymlinkSwap(t *testing.T) {
	home := t.TempDir()
	version := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(home, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(home, name, "directory.yaml"), text)
		link(t, name, filepath.Join(home, "..next"))
		if err := os.Rename(filepath.Join(home, "..next"), filepath.Join(home, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", oneUser)
	link(t, "..data/directory.yaml", filepath.Join(home, "directory.yaml"))
	h := start(t, filepath.Join(home, "directory.yaml"))
	version("..2", twoUsers)
	if err := os.RemoveAll(filepath.Join(home, "..1")); err != nil {
		t.Fatal(err)
	}
	if err := h.next(t); err != nil {
		t.Fatal(err)
	}
	h.users(t, 2)
	version("..3", oneUser)
	if err := h.next(t); err != nil {
		t.Fatal(err)
	}
	h.users(t, 1)
}

func TestWatchLinkToElsewhere(t *testing.T) {
	elsewhere := fresh(t, oneUser)
	path := filepath.Join(t.TempDir(), "directory.yaml")
	link(t, elsewhere, path)
	h := start(t, path)
	h.path = elsewhere
	h.becomes(t, twoUsers, 2)
	h.becomes(t, oneUser, 1)
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentUse(t *testing.T) {
	h := start(t, fresh(t, oneUser))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if err := h.store.Reload(); err != nil {
					t.Error(err)
				}
				if h.store.Snapshot() == nil || h.store.LoadedAt().IsZero() {
					t.Error("no snapshot")
				}
			}
		})
	}
	for i := range 20 {
		replace(t, h.path, []string{twoUsers, oneUser}[i%2])
	}
	wg.Wait()
}
