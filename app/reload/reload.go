// Package reload reads usher.yaml again while usher runs: the keys that take effect at a reload
// hold from then on, and it says which others need a restart.
//
// It promises that what was in force stays in force until the file is complete and correct, that a faulty file is reported once with the place of each fault, and
// that nothing else of a changed file is used.
package reload

import (
	"context"
	"errors"
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
	// Apply puts a configuration into force that differs from the one before in keys that take
	// effect at a reload. It is called once for each change, and never concurrently.
	Apply func(*config.Config) error
	// OnReload is called after each file that was read; may be nil. It must not call Reload.
	OnReload func(Event)
}

// Event is one attempt to read a changed file.
type Event struct {
	Err     error    // why what was in force before stays so; nil: the file is in force, but for Restart
	Changed []string // the keys that have another value now than before
	Restart []string // the keys that need a restart

	Identities bool // identities or profiles have changed
}

// Faults returns the faults of the file, one text for each.
func (e *Event) Faults() []string {
	var of strictyaml.Errors
	switch {
	case e.Err == nil:
		return nil
	case !errors.As(e.Err, &of):
		return []string{e.Err.Error()}
	}
	texts := make([]string, len(of))
	for i := range of {
		texts[i] = of[i].Error()
	}
	return texts
}

// Watcher reads the file when it changes. Its methods are safe for concurrent use.
type Watcher struct {
	cfg  Config
	file string

	mu      sync.Mutex // one reload at a time
	last    seen
	digest  uint64         // of the identities in force
	started *config.Config // as the file had it when usher started
	inForce *config.Config // started, with what reloads have changed
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
	return &Watcher{cfg: cfg, file: file.Path, last: seen{true, file.Digest}, digest: digest, started: started, inForce: started}, nil
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

// InForce returns the configuration that is in force.
func (w *Watcher) InForce() *config.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inForce
}

// File returns the path of the file.
func (w *Watcher) File() string { return w.file }

// Reload reads the file, also if it has not changed since a faulty reload, and logs and returns
// the result.
func (w *Watcher) Reload() Event { return w.reload(true) }

func (w *Watcher) reload(force bool) (e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	file, err := config.ReadFile(w.file)
	var now seen
	if err == nil {
		now = seen{true, file.Digest}
	}
	before := w.last
	if w.last = now; now == before && !force {
		return e
	}
	e.Err = err
	if err == nil {
		e = w.take(file)
	}
	w.logEvent(&e, now != before)
	if w.cfg.OnReload != nil {
		w.cfg.OnReload(e)
	}
	return e
}

// take puts a file into force.
func (w *Watcher) take(file *config.File) (e Event) {
	var next *config.Config
	if next, e.Restart, e.Err = w.started.Reload(file); e.Err != nil {
		return e
	}
	digest, err := next.IdentitiesDigest()
	changed := w.inForce.Differences(next)
	if err == nil && len(changed) > 0 {
		err = w.cfg.Apply(next)
	}
	if e.Err = err; err != nil {
		return e
	}
	e.Changed, e.Identities = changed, digest != w.digest
	w.inForce, w.digest, w.restart = next, digest, e.Restart
	return e
}

func (w *Watcher) logEvent(e *Event, changed bool) {
	ctx, file := context.Background(), slog.String("file", w.file)
	switch {
	case e.Err != nil:
		strictyaml.Log(w.cfg.Log, w.file, "configuration not loaded; what was in force before stays so", e.Err)
		return
	case len(e.Changed) > 0:
		w.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "configuration loaded", file, slog.String("keys", strings.Join(e.Changed, ", ")))
	default:
		w.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "configuration has not changed in keys that take effect at a reload", file)
	}
	if len(e.Restart) > 0 && changed {
		w.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "changed keys of the configuration need a restart of usher", file, slog.String("keys", strings.Join(e.Restart, ", ")))
	}
}
