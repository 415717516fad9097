package lease

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// maxDeclines bounds the subscriptions that a worker declines: its entry has them all.
const maxDeclines = 4096

// Decline says which subscriptions this worker cannot work on; it replaces what was said
// before. They go to workers that can. What nobody can work on is shared as ever, so that it is
// still tried.
func (l *Leases) Decline(ids []string) {
	decline := map[string]bool{}
	for _, id := range ids[:min(len(ids), maxDeclines)] {
		decline[id] = true
	}
	l.mu.Lock()
	same := maps.Equal(decline, l.decline)
	l.decline = decline
	l.mu.Unlock()
	if !same {
		wake(l.declare)
		wake(l.changed)
	}
}

// entry is what the entry of this worker has: the time, and a line for each subscription that it
// declines.
func (l *Leases) entry(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append([]string{now.UTC().Format(time.RFC3339)}, slices.Sorted(maps.Keys(l.decline))...), "\n")
}

// declines returns what an entry says that its worker declines.
func declines(entry string) map[string]bool {
	_, text, _ := strings.Cut(entry, "\n")
	ids := map[string]bool{}
	for id := range strings.SplitSeq(text, "\n") {
		if id != "" {
			ids[id] = true
		}
	}
	return ids
}

// group is subscriptions that the same workers can work on.
type group struct {
	workers []string
	ids     []string
}

// groups returns the subscriptions by the workers that live and do not decline them. Each group
// is shared by itself: those that can work on it can work on all of it. The caller holds the
// lock.
func (l *Leases) groups(now time.Time) []group {
	live := l.live(now)
	slices.Sort(live)
	var declining []map[string]bool // by live
	for _, name := range live {
		if name == l.cfg.Name {
			declining = append(declining, l.decline)
		} else {
			declining = append(declining, l.workers[name].declines)
		}
	}
	byWorkers := map[string]*group{}
	for id := range l.wanted {
		workers := live
		for i := range live {
			if declining[i][id] {
				workers = slices.DeleteFunc(slices.Clone(workers), func(name string) bool { return name == live[i] })
			}
		}
		if len(workers) == 0 {
			workers = live
		}
		key := strings.Join(workers, " ")
		if byWorkers[key] == nil {
			byWorkers[key] = &group{workers: workers}
		}
		byWorkers[key].ids = append(byWorkers[key].ids, id)
	}
	var groups []group
	for _, key := range slices.Sorted(maps.Keys(byWorkers)) {
		groups = append(groups, *byWorkers[key])
	}
	return groups
}
