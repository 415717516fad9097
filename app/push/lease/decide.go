package lease

import (
	"cmp"
	"context"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// parallel is how many entries are written at once.
const parallel = 16

// forgetAfter is when a worker that is gone is forgotten.
const forgetAfter = time.Hour

// decide gives back and takes what it must, and tells Hold.
func (l *Leases) decide(ctx context.Context) {
	l.mu.Lock()
	now := l.cfg.Now()
	kv := l.kv
	ready := kv != nil && l.synced && l.wanted != nil && l.validAt(now)
	if !ready {
		l.mu.Unlock()
		l.hold(nil)
		return
	}
	p := l.plan(now)
	l.mu.Unlock()
	if len(p.release) > 0 {
		l.hold(p.keep)
		l.each(p.release, func(id string) { l.remove(ctx, kv, id, p.known[id]) })
	}
	l.each(p.forget, func(id string) {
		l.remove(ctx, kv, id, p.known[id])
		_ = kv.Purge(ctx, statePrefix+id) // it says little about a subscription that is gone
	})
	for _, name := range p.departed {
		_ = kv.Purge(ctx, workerPrefix+name)
	}
	l.take(ctx, kv, &p)
	l.mu.Lock()
	var mine []string
	for _, id := range l.mine() {
		if l.wanted[id] && !slices.Contains(p.release, id) {
			mine = append(mine, id)
		}
	}
	l.mu.Unlock()
	l.hold(mine)
}

// take acquires subscriptions, and logs from which dead workers it has taken them.
func (l *Leases) take(ctx context.Context, kv jetstream.KeyValue, p *plan) {
	var counting sync.Mutex
	from := map[string]int{}
	l.each(p.take, func(id string) {
		if dead := l.acquire(ctx, kv, id, p.known[id]); dead != "" {
			counting.Lock()
			from[dead]++
			counting.Unlock()
		}
	})
	for _, name := range slices.Sorted(maps.Keys(from)) {
		l.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "took over from a push worker that is gone", slog.String("worker", name), slog.Int("subscriptions", from[name]))
	}
}

// hold calls Hold if something has changed.
func (l *Leases) hold(ids []string) {
	l.mu.Lock()
	same := slices.Equal(l.holding, ids)
	l.holding = ids
	l.mu.Unlock()
	if !same {
		l.cfg.Hold(ids)
	}
}

// plan is what to do: all are ids of subscriptions.
type plan struct {
	keep, release, take []string
	forget              []string // subscriptions that are no more
	departed            []string // workers that died long ago

	// known are the entries by which this was decided. Whoever has changed one since then, as
	// another worker that was faster to take it, makes the write fail.
	known map[string]owned
}

func (l *Leases) plan(now time.Time) plan {
	var p plan
	for _, g := range l.groups(now) {
		l.share(&p, &g, now)
	}
	for id, o := range l.leases {
		if !l.wanted[id] && (o.worker == l.cfg.Name || o.worker != "" && l.dead(o.worker, now)) {
			p.forget = append(p.forget, id)
		}
	}
	for name, s := range l.workers {
		if name == l.cfg.Name || now.Sub(s.at) < forgetAfter {
			continue
		}
		delete(l.workers, name)
		if !s.gone {
			p.departed = append(p.departed, name)
		}
	}
	if len(p.release) > 0 {
		p.take = nil
	}
	slices.Sort(p.keep)
	p.known = map[string]owned{}
	for _, ids := range [][]string{p.release, p.take, p.forget} {
		for _, id := range ids {
			p.known[id] = l.leases[id]
		}
	}
	return p
}

// share plans for a group: this worker has about its share of it, or nothing.
func (l *Leases) share(p *plan, g *group, now time.Time) {
	var keep, free []string
	for _, id := range g.ids {
		o := l.leases[id]
		switch {
		case o.worker == l.cfg.Name:
			keep = append(keep, id)
		case o.worker == "" || l.dead(o.worker, now):
			free = append(free, id)
		}
	}
	share := 0
	if slices.Contains(g.workers, l.cfg.Name) {
		share = (len(g.ids) + len(g.workers) - 1) / len(g.workers)
	}
	l.order(keep)
	if len(keep) > share {
		p.release = append(p.release, keep[share:]...)
		keep = keep[:share]
	}
	p.keep = append(p.keep, keep...)
	l.order(free)
	p.take = append(p.take, free[:min(len(free), max(0, share-len(keep)))]...)
}

// order sorts ids by how much a worker wants them, so that workers do not want the same.
func (l *Leases) order(ids []string) {
	rank := func(id string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(l.cfg.Name + " " + id))
		return h.Sum64()
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
}

// live returns the workers that live, this one among them.
func (l *Leases) live(now time.Time) []string {
	names := []string{l.cfg.Name}
	for name, s := range l.workers {
		if name != l.cfg.Name && !s.gone && (l.stale(now) || now.Sub(s.at) < l.cfg.Expire) {
			names = append(names, name)
		}
	}
	return names
}

// dead reports whether what a worker has may be taken over.
func (l *Leases) dead(name string, now time.Time) bool {
	s, known := l.workers[name]
	if !known { // its entry may still come
		l.workers[name] = seen{at: now}
		return false
	}
	return s.gone || !l.stale(now) && now.Sub(s.at) >= l.cfg.Expire
}

// stale reports whether the watch stands still, as far as this worker's own renewals tell. What
// others have renewed cannot be seen then, so none of them counts as dead.
func (l *Leases) stale(now time.Time) bool { return now.Sub(l.echoed) >= l.cfg.Expire/2 }

// acquire makes a subscription that of this worker. It returns the dead worker that had it;
// empty: none had it, or this worker has not got it.
func (l *Leases) acquire(ctx context.Context, kv jetstream.KeyValue, id string, before owned) (from string) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Expire/2)
	defer cancel()
	var revision uint64
	var err error
	if before.worker == "" {
		revision, err = kv.Create(ctx, leasePrefix+id, []byte(l.cfg.Name))
	} else {
		revision, err = kv.Update(ctx, leasePrefix+id, []byte(l.cfg.Name), before.revision)
	}
	if err != nil {
		return "" // another was faster, or it is tried again
	}
	l.note(id, owned{worker: l.cfg.Name, revision: revision})
	return before.worker
}

func (l *Leases) remove(ctx context.Context, kv jetstream.KeyValue, id string, before owned) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Expire/2)
	defer cancel()
	if before.worker == "" {
		return
	}
	if kv.Purge(ctx, leasePrefix+id, jetstream.LastRevision(before.revision)) == nil {
		l.note(id, owned{revision: before.revision})
	}
}

// note takes over what was just written, unless the watch has shown something newer.
func (l *Leases) note(id string, o owned) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.revision >= l.leases[id].revision {
		l.leases[id] = o
	}
}

// each calls f for each id, several at once.
func (l *Leases) each(ids []string, f func(id string)) {
	var running sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, id := range ids {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			f(id)
		})
	}
	running.Wait()
}
