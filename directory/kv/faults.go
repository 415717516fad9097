package kv

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	"usher/directory"
	"usher/internal/secret"
)

// Fault is an entry that is unreadable or contradicts other entries.
type Fault struct {
	Key      string
	Revision uint64
	Message  string
}

// faults are the faults of a bucket. Each is logged once.
type faults struct {
	log    *slog.Logger
	mu     sync.Mutex
	byKey  map[string]Fault
	logged map[string]Fault // from before the bucket was read again
}

func (f *faults) add(key string, revision uint64, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey == nil {
		f.byKey = map[string]Fault{}
	}
	fault := Fault{Key: secret.Redact(key), Revision: revision, Message: message}
	if f.byKey[key] == fault {
		return
	}
	f.byKey[key] = fault
	if f.logged[key] == fault {
		return
	}
	f.log.Error("ignoring a faulty entry of the directory",
		slog.String("key", fault.Key), slog.Uint64("revision", revision), slog.String("message", message))
}

// remove removes the fault of an entry.
func (f *faults) remove(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byKey, key)
}

// reset removes all faults, because the bucket is read again.
func (f *faults) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey != nil {
		f.logged, f.byKey = f.byKey, nil
	}
}

func (f *faults) addProblems(revision uint64, problems directory.Problems) {
	for _, p := range problems {
		f.add(p.Path, revision, p.Message)
	}
}

func (f *faults) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byKey) > 0
}

func (f *faults) list() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Fault, 0, len(f.byKey))
	for _, fault := range f.byKey {
		all = append(all, fault)
	}
	slices.SortFunc(all, func(x, y Fault) int { return strings.Compare(x.Key, y.Key) })
	return all
}
