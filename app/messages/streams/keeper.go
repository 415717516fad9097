package streams

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
	"usher/directory/snapshot"
)

const (
	// lookAgain is after what time a project is looked at although nothing has changed.
	lookAgain = 5 * time.Minute

	// projectLimit bounds the time for one project.
	projectLimit = 15 * time.Second

	firstRetry = 500 * time.Millisecond
	lastRetry  = 2 * time.Minute

	// newerFor is how long an usher leaves alone what another one has changed by a newer
	// directory. After that its own directory is current, and the other one is gone: a bucket
	// that was restored counts its revisions from the start.
	newerFor = time.Minute

	// Accounts that are worked on at once. Those that failed last have slots of their own, so
	// that they hold nobody.
	soundAccounts, failingAccounts = 24, 8
)

// KeeperConfig is what a Keeper needs.
type KeeperConfig struct {
	Service  *Service
	Snapshot func() *snapshot.Snapshot // nil: nothing is loaded yet
	Every    time.Duration             // at which a project is looked at again; 0: 5 min
	Now      func() time.Time
	Log      *slog.Logger
}

// Keeper keeps the streams of all projects in step with the directory: after each change of
// it, and from time to time. What fails is tried again.
type Keeper struct {
	cfg     KeeperConfig
	changed chan struct{}

	mu       sync.Mutex
	projects map[uuid.UUID]*kept
	accounts map[string]*account
	due      [2]accountHeap // by whether the account failed last
	running  [2]int
	failures uint64
}

// kept is a project as the Keeper sees it.
type kept struct {
	id       uuid.UUID
	account  *account
	seen     *directory.Project
	due      time.Time
	done     bool // it was in step once since it changed
	failures int
	newer    time.Time // since when another usher has a newer directory; zero: it has not
	err      error     // of the last attempt
}

// account is an account with projects. One project after the other is worked on.
type account struct {
	name     string
	projects map[uuid.UUID]*kept
	due      time.Time // when it may be tried again after a failure
	failures int
	busy     bool
	next     time.Time // its place in the heap
	index    int       // in its heap; -1: not there
	failing  bool      // which heap
}

// NewKeeper returns a Keeper, which begins with Run.
func NewKeeper(cfg KeeperConfig) *Keeper {
	cfg.Every = cmp.Or(cfg.Every, lookAgain)
	return &Keeper{cfg: cfg, changed: make(chan struct{}, 1), projects: map[uuid.UUID]*kept{}, accounts: map[string]*account{}}
}

// Changed says that the directory has changed. It does not block, and may be called before
// Run.
func (k *Keeper) Changed() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	finished := make(chan struct{}, 1)
	k.Changed()
	for {
		next := k.start(ctx, &workers, finished)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-k.changed:
			k.refresh()
		case <-finished:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// refresh takes over the directory.
func (k *Keeper) refresh() {
	s := k.cfg.Snapshot()
	if s == nil {
		return
	}
	now := k.cfg.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	there := make(map[uuid.UUID]bool, len(k.projects))
	for p := range s.Projects() {
		there[p.ID] = true
		x := k.projects[p.ID]
		if x != nil && x.account.name != p.Account {
			k.forget(x)
			x = nil
		}
		if x == nil {
			x = &kept{id: p.ID, account: k.accountNamed(p.Account)}
			k.projects[p.ID], x.account.projects[p.ID] = x, x
		} else if x.seen == p || same(x.seen, p) {
			x.seen = p
			continue
		}
		x.seen, x.due, x.done, x.failures, x.newer = p, now, false, 0, time.Time{}
		k.place(x.account)
	}
	for id, x := range k.projects {
		if !there[id] {
			k.forget(x)
		}
	}
}

func (k *Keeper) accountNamed(name string) *account {
	a := k.accounts[name]
	if a == nil {
		a = &account{name: name, projects: map[uuid.UUID]*kept{}, index: -1}
		k.accounts[name] = a
	}
	return a
}

func (k *Keeper) forget(x *kept) {
	delete(k.projects, x.id)
	delete(x.account.projects, x.id)
	if len(x.account.projects) == 0 {
		delete(k.accounts, x.account.name)
	}
	k.place(x.account)
}

// place puts an account where it belongs in the heaps.
func (k *Keeper) place(a *account) {
	if a.index >= 0 {
		heap.Remove(&k.due[which(a.failing)], a.index)
	}
	if a.busy {
		return
	}
	a.next = time.Time{}
	for _, x := range a.projects {
		if !x.due.IsZero() && (a.next.IsZero() || x.due.Before(a.next)) {
			a.next = x.due
		}
	}
	if a.next.IsZero() {
		return
	}
	if a.due.After(a.next) {
		a.next = a.due
	}
	a.failing = a.failures > 0
	heap.Push(&k.due[which(a.failing)], a)
}

func which(failing bool) int {
	if failing {
		return 1
	}
	return 0
}

// start starts what is due, and returns after what time something will be.
func (k *Keeper) start(ctx context.Context, workers *sync.WaitGroup, finished chan<- struct{}) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, next := k.cfg.Now(), k.cfg.Every
	for i, slots := range []int{soundAccounts, failingAccounts} {
		h := &k.due[i]
		for k.running[i] < slots && h.Len() > 0 && !(*h)[0].next.After(now) {
			a := heap.Pop(h).(*account)
			a.busy = true
			k.running[i]++
			workers.Go(func() {
				k.work(ctx, a)
				k.mu.Lock()
				a.busy = false
				k.running[i]--
				k.place(a)
				k.mu.Unlock()
				select {
				case finished <- struct{}{}:
				default:
				}
			})
		}
		if h.Len() > 0 && k.running[i] < slots {
			next = min(next, max(0, (*h)[0].next.Sub(now)))
		}
	}
	return next
}

// work applies the directory to the projects of an account that are due, until one fails
// because the account does not answer.
func (k *Keeper) work(ctx context.Context, a *account) {
	for ctx.Err() == nil {
		x, seen := k.take(a)
		if x == nil {
			return
		}
		err := k.apply(ctx, x)
		if ctx.Err() != nil || !k.done(a, x, seen, err) {
			return
		}
	}
}

// take returns a project of an account that is due; nil: there is none.
func (k *Keeper) take(a *account) (*kept, *directory.Project) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.cfg.Now()
	for _, x := range a.projects {
		if !x.due.IsZero() && !x.due.After(now) {
			return x, x.seen
		}
	}
	return nil, nil
}

// apply applies the newest directory to a project.
func (k *Keeper) apply(ctx context.Context, x *kept) error {
	ctx, cancel := context.WithTimeout(ctx, projectLimit)
	defer cancel()
	unlock, err := k.cfg.Service.locks.lock(ctx, x.id)
	if err != nil {
		return err
	}
	defer unlock()
	s := k.cfg.Snapshot()
	p, ok := s.ProjectByID(x.id)
	if !ok || p.Account != x.account.name {
		return nil // refresh will notice
	}
	k.mu.Lock()
	force := !x.newer.IsZero() && k.cfg.Now().Sub(x.newer) >= newerFor
	k.mu.Unlock()
	return k.cfg.Service.apply(ctx, &Target{Project: p, Revision: s.Latest(), Clean: !s.UnreadableIn(p), Force: force})
}

// done notes what came of a project, and reports whether the account answers.
func (k *Keeper) done(a *account, x *kept, seen *directory.Project, err error) (answers bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.cfg.Now()
	answers = err == nil || ofProject(err)
	k.log(x, err)
	if answers {
		a.failures, a.due = 0, time.Time{}
	} else {
		a.failures++
		a.due = now.Add(backOff(a.failures))
	}
	if x.seen != seen { // it has changed meanwhile, and is due again
		x.err = err
		return answers
	}
	switch x.err = err; {
	case err == nil:
		x.done, x.failures, x.newer = true, 0, time.Time{}
		x.due = time.Time{}
		if len(seen.Topics) > 0 { // else there is nothing to lose
			x.due = now.Add(spread(x.id, k.cfg.Every))
		}
	case errors.Is(err, ErrStale):
		if x.newer.IsZero() {
			x.newer = now
		}
		x.due = now.Add(min(newerFor/12, k.cfg.Every))
	default:
		x.failures++
		k.failures++
		x.due = now.Add(backOff(x.failures))
	}
	return answers
}

// ofProject reports whether an error is about a project, and not about its account.
func ofProject(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrStale) || errors.As(err, &api)
}

// log logs an error once.
func (k *Keeper) log(x *kept, err error) {
	project := slog.String("project", x.seen.Name)
	switch {
	case err == nil && x.err != nil && !errors.Is(x.err, ErrStale):
		k.cfg.Log.Info("JetStream is in step with the directory again", project)
	case err != nil && !errors.Is(err, ErrStale) && (x.err == nil || x.err.Error() != err.Error()):
		k.cfg.Log.Warn("JetStream is not in step with the directory", project, slog.String("account", x.account.name), slog.String("error", err.Error()))
	}
}

// backOff returns after what time something is tried again that failed so many times.
func backOff(failures int) time.Duration {
	return min(lastRetry, firstRetry<<min(failures-1, 20))
}

// spread returns about d, so that not all projects are looked at together.
func spread(id uuid.UUID, d time.Duration) time.Duration {
	return d - d/4*time.Duration(id[15])/256
}

// same reports whether two states of a project want the same of JetStream.
func same(a, b *directory.Project) bool {
	if a.Name != b.Name || a.Account != b.Account || len(a.Topics) != len(b.Topics) || len(a.Subscriptions) != len(b.Subscriptions) {
		return false
	}
	for i := range a.Topics {
		if a.Topics[i].Name != b.Topics[i].Name || a.Topics[i].Subject != b.Topics[i].Subject {
			return false
		}
	}
	for i := range a.Subscriptions {
		x, y := &a.Subscriptions[i], &b.Subscriptions[i]
		if x.Name != y.Name || x.Topic != y.Topic || x.AckDeadline != y.AckDeadline {
			return false
		}
	}
	return true
}
