package activation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"usher/directory"
	"usher/directory/snapshot"
)

// Authorization returns the value of the Authorization header of a subscription; empty: none.
type Authorization func(ctx context.Context, project *directory.Project, sub *directory.Subscription) (string, error)

// Config is what Activation needs.
type Config struct {
	Servers       []Server
	Snapshot      func() *snapshot.Snapshot // nil: not loaded yet
	Changed       <-chan struct{}           // receives after a change of the directory
	Authorization Authorization
	Now           func() time.Time
	Log           *slog.Logger

	// Defaults: 5 s, 10 s, 1 s, 1 min.
	Timeout  time.Duration // of a call
	Patience time.Duration // with a server that cannot be reached, until another one has its work
	Interval time.Duration // between two rounds, of which each repeats what failed
	Recheck  time.Duration // how often a server is asked whether it still pushes a subscription
}

// Activation is the client of the push servers.
type Activation struct {
	cfg     Config
	servers []*server

	// Of the last round, which alone uses them.
	snap   *snapshot.Snapshot // nil: not everything is known
	want   map[string]wanted
	others []string

	asking sync.Mutex
	health []Health // of the last call of Health
	asked  time.Time
}

// parallel is how many calls one round makes at once.
const parallel = 16

// New makes the connections, which connect later.
func New(cfg *Config) (*Activation, error) {
	a := &Activation{cfg: *cfg}
	a.cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	a.cfg.Patience = cmp.Or(cfg.Patience, 10*time.Second)
	a.cfg.Interval = cmp.Or(cfg.Interval, time.Second)
	a.cfg.Recheck = cmp.Or(cfg.Recheck, time.Minute)
	for _, s := range cfg.Servers {
		one, err := newServer(s, a.cfg.Timeout, cfg.Now, cfg.Log)
		if err != nil {
			a.Close()
			return nil, fmt.Errorf("push server %s: %w", s.Name, err)
		}
		a.servers = append(a.servers, one)
	}
	return a, nil
}

// Close ends the connections.
func (a *Activation) Close() {
	for _, s := range a.servers {
		_ = s.conn.Close() // fails if it is closed already
	}
}

// Run keeps the push servers in step with the directory until ctx ends.
func (a *Activation) Run(ctx context.Context) {
	ticker := time.NewTicker(a.cfg.Interval)
	defer ticker.Stop()
	var last string // error, which is logged once
	for {
		if err := a.round(ctx); err != nil && ctx.Err() == nil {
			if text := err.Error(); text != last {
				last = text
				a.cfg.Log.LogAttrs(ctx, slog.LevelError, "push servers are not in step with the directory; usher tries again", slog.String("error", text))
			}
		} else {
			last = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-a.cfg.Changed:
		case <-ticker.C:
		}
	}
}

// round makes each server push what it has to. Its error is one of those that remain.
func (a *Activation) round(ctx context.Context) error {
	snap := a.cfg.Snapshot()
	if snap == nil {
		return nil
	}
	each(a.servers, func(s *server) { _ = s.probe(ctx) }) // it takes note of the error
	var err error
	if a.snap != snap {
		a.want, a.others, err = wantedOf(ctx, snap, a.cfg.Authorization)
		if a.snap = snap; err != nil {
			a.snap = nil
		}
	}
	want, others := a.want, a.others
	have := map[string]bool{}
	for name := range want {
		have[name] = true
	}
	for _, name := range others {
		have[name] = true
	}
	// First nobody pushes what is not its own any more, and then everybody what is.
	problems := &collected{first: err}
	var stop, start []func()
	for name, w := range want {
		chosen := a.choose(name)
		for _, s := range a.servers {
			switch {
			case !s.reachable():
			case s == chosen:
				start = append(start, func() { problems.add(s, s.activate(ctx, name, w, a.cfg.Recheck)) })
			default:
				stop = append(stop, func() { problems.add(s, s.deactivate(ctx, name)) })
			}
		}
	}
	for _, s := range a.servers {
		if !s.reachable() {
			continue
		}
		for _, name := range append(s.removed(have), others...) {
			stop = append(stop, func() { problems.add(s, s.deactivate(ctx, name)) })
		}
	}
	each(stop, func(f func()) { f() })
	each(start, func(f func()) { f() })
	for _, s := range a.servers {
		s.drop(have)
	}
	return problems.first
}

// choose returns the server that is to push a subscription: the one that it prefers of those
// that can be used, or else of all.
func (a *Activation) choose(name string) *server {
	sorted := order(a.servers, name)
	for _, s := range sorted {
		if s.usable(a.cfg.Patience) {
			return s
		}
	}
	return sorted[0]
}

// removed returns what the server pushes and the directory does not have any more.
func (s *server) removed(have map[string]bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for name, k := range s.known {
		if k.active && !have[name] {
			out = append(out, name)
		}
	}
	return out
}

// drop forgets what is neither in the directory nor on the server.
func (s *server) drop(have map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, k := range s.known {
		if !k.active && !have[name] {
			delete(s.known, name)
		}
	}
}

// collected is the first of several errors.
type collected struct {
	mu    sync.Mutex
	first error
}

// errServer is what a server answered.
var errServer = errors.New("the call failed")

// add takes the code of an error: its text may have a part of an address.
func (c *collected) add(s *server, err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first = fmt.Errorf("push server %s: %w: %s", s.Name, errServer, status.Code(err))
	}
	if status.Code(err) == codes.Unavailable {
		s.mu.Lock()
		clear(s.known)
		s.mu.Unlock()
	}
}

// each calls f for every element, some at once.
func each[T any](all []T, f func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, one := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(one)
		})
	}
	wg.Wait()
}

// names returns the names of the servers, sorted.
func (a *Activation) names() []string {
	out := make([]string, 0, len(a.servers))
	for _, s := range a.servers {
		out = append(out, s.Name)
	}
	slices.Sort(out)
	return out
}
