package lease

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// renewAll renews the entry of this worker.
func (l *Leases) renewAll(ctx context.Context) {
	tick := time.NewTicker(l.cfg.Renew)
	defer tick.Stop()
	failing := false
	for {
		err := l.renew(ctx)
		if err != nil && !failing {
			l.failed(ctx, "this one cannot renew its leases, and pushes nothing until it can", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-l.declare:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Leases) renew(ctx context.Context) error {
	sent := l.cfg.Now()
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Expire/2)
	defer cancel()
	kv := l.bucket()
	if kv == nil {
		var err error
		if kv, err = l.open(ctx); err != nil {
			return err
		}
	}
	if _, err := kv.PutString(ctx, workerPrefix+l.cfg.Name, l.entry(sent)); err != nil {
		return err
	}
	l.mu.Lock()
	was := l.validAt(l.cfg.Now())
	l.renewed = sent
	l.mu.Unlock()
	if !was {
		wake(l.changed)
	}
	return nil
}

// watchAll follows the bucket.
func (l *Leases) watchAll(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := l.watch(ctx)
		if err != nil && !failing {
			l.failed(ctx, "this one cannot follow push.bucket, and tries again", err)
		}
		failing = err != nil
		select {
		case <-time.After(watchRetry):
		case <-ctx.Done():
		}
	}
}

func (l *Leases) watch(ctx context.Context) error {
	kv := l.bucket()
	if kv == nil {
		return nil // renewAll opens it
	}
	watcher, err := kv.WatchFiltered(ctx, []string{workerPrefix + "*", leasePrefix + ">"})
	if err != nil {
		return err
	}
	defer watcher.Stop() //nolint:errcheck // the connection ends it otherwise
	for {
		select {
		case e, ok := <-watcher.Updates():
			if !ok {
				return nil
			}
			l.apply(e)
		case <-ctx.Done():
			return nil
		}
	}
}

// apply takes over one entry; nil: the watch has shown everything.
func (l *Leases) apply(e jetstream.KeyValueEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Now()
	if e == nil {
		l.synced = true
		wake(l.changed)
		return
	}
	removed := e.Operation() != jetstream.KeyValuePut
	if name, ok := strings.CutPrefix(e.Key(), workerPrefix); ok {
		if name == l.cfg.Name {
			l.echo(now)
		}
		before, known := l.workers[name]
		if known && e.Revision() <= before.revision {
			return
		}
		s := seen{revision: e.Revision(), at: now, gone: removed}
		if !removed {
			s.declines = declines(string(e.Value()))
		}
		l.workers[name] = s
		if !known || removed || !maps.Equal(s.declines, before.declines) {
			wake(l.changed)
		}
		return
	}
	id := strings.TrimPrefix(e.Key(), leasePrefix)
	if e.Revision() <= l.leases[id].revision {
		return
	}
	o := owned{revision: e.Revision()}
	if !removed {
		o.worker = string(e.Value())
	}
	if before := l.leases[id]; before.worker != o.worker {
		wake(l.changed)
	}
	l.leases[id] = o
}

// echo notes that the watch has shown a renewal of this worker. If that took long, the watch
// has stood still, and it says nothing about the other workers: they get their time again.
func (l *Leases) echo(now time.Time) {
	if now.Sub(l.echoed) > l.cfg.Expire/2 {
		for name, s := range l.workers {
			s.at = now
			l.workers[name] = s
		}
	}
	l.echoed = now
}
