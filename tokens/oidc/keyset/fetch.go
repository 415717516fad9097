package keyset

import (
	"context"
	"path/filepath"
	"time"

	"usher/internal/filewatch"
)

// fetch is one request for a set, however many wait for it.
type fetch struct {
	done chan struct{} // closed at its end

	// Set before done is closed.
	err  error
	aged time.Duration // age of the set when it came
}

// demand returns the fetch that is in flight, or starts one if the cooldown is over. It
// reports whether it started it.
func (k *Keys) demand(ctx context.Context) (f *fetch, own bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.inFlight != nil:
		return k.inFlight, false
	case !k.cooledDown():
		return nil, false
	}
	return k.start(context.WithoutCancel(ctx)), true
}

// cooledDown reports whether a fetch may start. k.mu is held.
func (k *Keys) cooledDown() bool {
	return k.started.IsZero() || k.cfg.Now().Sub(k.started) >= k.cfg.Cooldown
}

// start starts a fetch, which ends by Timeout. k.mu is held.
func (k *Keys) start(ctx context.Context) *fetch {
	f := &fetch{done: make(chan struct{})}
	began := k.cfg.Now()
	k.inFlight, k.started = f, began
	go func() {
		ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
		defer cancel()
		var d Document
		d, f.err = k.load(ctx, began)
		f.aged = d.Age
		var unsaved error
		if f.err == nil {
			unsaved = k.cfg.Cache.save(d.Text, began, began.Add(-d.Age))
		}
		k.mu.Lock()
		k.inFlight, k.err, k.unsaved = nil, f.err, unsaved
		k.mu.Unlock()
		close(f.done)
	}()
	return f
}

// load fetches the set and puts it into force. After an error the last one stays.
func (k *Keys) load(ctx context.Context, began time.Time) (Document, error) {
	k.requests.Add(1)
	d, err := k.cfg.Source.Fetch(ctx)
	var set *Set
	if err == nil {
		set, err = Parse(d.Text)
	}
	if err != nil {
		k.failures.Add(1)
		return Document{}, err
	}
	k.state.Store(&state{set: set, fetched: began, asOf: began.Add(-d.Age)})
	return d, nil
}

// Run fetches the set before it ages, until ctx ends.
func (k *Keys) Run(ctx context.Context) {
	if f, ok := k.cfg.Source.(File); ok {
		k.watch(ctx, f.Path)
		return
	}
	timer := time.NewTimer(k.due(false))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wanted:
			timer.Reset(k.due(true))
			continue
		case <-timer.C:
		}
		k.refresh(ctx)
		timer.Reset(k.due(false))
	}
}

// due returns the time to the next fetch.
func (k *Keys) due(wanted bool) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.started.IsZero() {
		return 0
	}
	interval := k.cfg.Refresh
	if wanted || k.err != nil {
		interval = k.cfg.Cooldown
	}
	return max(0, interval-k.cfg.Now().Sub(k.started))
}

// refresh fetches the set now, or waits for the fetch that is in flight.
func (k *Keys) refresh(ctx context.Context) {
	k.mu.Lock()
	f := k.inFlight
	if f == nil {
		f = k.start(ctx)
	}
	k.mu.Unlock()
	<-f.done
}

// watch reads a file when it changes, until ctx ends.
func (k *Keys) watch(ctx context.Context, path string) {
	w := filewatch.Watch{
		Dirs:  func() []string { return filewatch.Targets(filepath.Dir(path), filepath.Base(path)) },
		Check: func() { k.refresh(ctx) },
		Lost:  func(error) {}, // the file is read every half minute as well
	}
	_ = w.Run(ctx) // where there is nothing to watch, tokens of unknown keys make Verify read the file
}
