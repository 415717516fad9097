// Package reload reads usher.yaml again while usher runs: identities and profiles hold from
// then on, and it says which other keys need a restart.
//
// It promises that the last good identities and profiles stay in use until the file is
// complete and correct, that a faulty file is reported once with the place of each fault, and
// that nothing else of a changed file is used.
package reload

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"usher/app/config"
	"usher/internal/filewatch"
	"usher/internal/strictyaml"
)

// Config configures a Watcher.
type Config struct {
	Running *config.Config // of a file: config.Load has returned it
	Log     *slog.Logger
	// Apply puts the identities and profiles of a configuration into force. It is called
	// once for each change, and never concurrently.
	Apply func(*config.Config) error
	// OnReload is called after each file that was read; may be nil. It must not call Reload.
	OnReload func(Event)
}

// Event is one attempt to read a changed file.
type Event struct {
	Err     error    // why the last good identities stay in use; nil: those of the file are in use
	Changed bool     // they are others than before
	Restart []string // the keys that need a restart
}

// Watcher reads the file when it changes. Its methods are safe for concurrent use.
type Watcher struct {
	cfg  Config
	file string

	mu      sync.Mutex // one reload at a time
	last    seen
	digest  uint64         // of the identities in use
	started *config.Config // as the file had it when usher started
	restart []string
}

// seen identifies the content of a file.
type seen struct {
	readable bool
	digest   [32]byte
}

// New returns a Watcher of the file of a configuration.
func New(cfg Config) (*Watcher, error) {
	file := cfg.Running.File()
	if file == nil {
		return nil, fmt.Errorf("reload: the configuration is not of a file")
	}
	// Commands change what they have read, such as the address of a listener. That is no
	// change of the file.
	started, err := file.Load()
	if err != nil {
		return nil, err
	}
	digest, err := cfg.Running.IdentitiesDigest()
	if err != nil {
		return nil, err
	}
	return &Watcher{cfg: cfg, file: file.Path, last: seen{true, file.Digest}, digest: digest, started: started}, nil
}

// NeedsRestart returns the keys in which the file differs from what is in use.
func (w *Watcher) NeedsRestart() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.restart)
}

// Run reads the file whenever it changes, until ctx ends; then it returns nil.
func (w *Watcher) Run(ctx context.Context) error {
	watch := filewatch.Watch{
		Dirs:  func() []string { return filewatch.Targets(filepath.Dir(w.file), filepath.Base(w.file)) },
		Check: func() { w.reload(false) },
		Lost: func(err error) {
			w.cfg.Log.Warn("cannot watch the configuration", slog.String("file", w.file), slog.String("error", err.Error()))
		},
	}
	if err := watch.Run(ctx); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}

// Reload reads the file, also if it has not changed since a faulty reload, and logs the result.
func (w *Watcher) Reload() { w.reload(true) }

func (w *Watcher) reload(force bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	file, err := config.ReadFile(w.file)
	var now seen
	if err == nil {
		now = seen{true, file.Digest}
	}
	before := w.last
	if w.last = now; now == before && !force {
		return
	}
	e := Event{Err: err}
	if err == nil {
		e = w.take(file)
	}
	w.logEvent(&e, now != before)
	if w.cfg.OnReload != nil {
		w.cfg.OnReload(e)
	}
}

// take puts the identities and profiles of a file into force.
func (w *Watcher) take(file *config.File) (e Event) {
	var next *config.Config
	if next, e.Restart, e.Err = w.started.Reload(file); e.Err != nil {
		return e
	}
	digest, err := next.IdentitiesDigest()
	if err != nil || digest == w.digest {
		e.Err, w.restart = err, e.Restart
		return e
	}
	if e.Err = w.cfg.Apply(next); e.Err == nil {
		e.Changed, w.digest, w.restart = true, digest, e.Restart
	}
	return e
}

func (w *Watcher) logEvent(e *Event, changed bool) {
	ctx, file := context.Background(), slog.String("file", w.file)
	switch {
	case e.Err != nil:
		strictyaml.Log(w.cfg.Log, w.file, "configuration not loaded; the last good identities and profiles stay in use", e.Err)
		return
	case e.Changed:
		w.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "identities and profiles loaded", file)
	default:
		w.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "identities and profiles have not changed", file)
	}
	if len(e.Restart) > 0 && changed {
		w.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "changed keys of the configuration need a restart of usher", file, slog.String("keys", strings.Join(e.Restart, ", ")))
	}
}
