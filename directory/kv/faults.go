package kv

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	"usher/directory"
	"usher/internal/secret"
)

// Fault is an entry that cannot be read, or that does not fit the others.
type Fault struct {
	Key      string
	Revision uint64
	Message  string
}

// faults are those of the bucket, each logged once.
type faults struct {
	log *slog.Logger
	mu  sync.Mutex
	of  map[string]Fault
	old map[string]Fault // of before everything was read anew: logged already
}

func (f *faults) add(key string, revision uint64, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[string]Fault{}
	}
	fault := Fault{Key: secret.Redact(key), Revision: revision, Message: message}
	if f.of[key] == fault {
		return
	}
	f.of[key] = fault
	if f.old[key] == fault {
		return
	}
	f.log.Error("an entry of the directory is left out",
		slog.String("key", fault.Key), slog.Uint64("revision", revision), slog.String("message", message))
}

// mended forgets what was wrong with an entry.
func (f *faults) mended(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of, key)
}

// again begins anew: everything is read once more.
func (f *faults) again() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of != nil {
		f.old, f.of = f.of, nil
	}
}

func (f *faults) problems(revision uint64, problems directory.Problems) {
	for _, p := range problems {
		f.add(p.Path, revision, p.Message)
	}
}

func (f *faults) some() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.of) > 0
}

func (f *faults) list() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Fault, 0, len(f.of))
	for _, one := range f.of {
		all = append(all, one)
	}
	slices.SortFunc(all, func(x, y Fault) int { return strings.Compare(x.Key, y.Key) })
	return all
}
