package push

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"reflect"
	"sync"
	"time"

	"golang.org/x/time/rate"

	apipush "usher/api/push"
	"usher/internal/audit"
)

// Config configures a Worker. Metrics, Audit and OnStatus may be nil.
type Config struct {
	Client        Client
	Timeout       time.Duration // of one push
	Concurrency   int           // requests that are open at once
	MaxDeliveries uint64        // after which a message is a dead letter; 0: never
	Log           *slog.Logger
	Audit         *audit.Log
	Metrics       *Metrics
	Now           func() time.Time
	// OnStatus is called when the status of a subscription has changed. It must not block.
	OnStatus func(id string)
}

func (c *Config) valid() error {
	switch {
	case c.Client == nil:
		return errors.New("push: no client given")
	case c.Timeout <= 0:
		return errors.New("push: no timeout given")
	case c.Concurrency < 1:
		return errors.New("push: no concurrency given")
	case c.Log == nil:
		return errors.New("push: no log given")
	case c.Now == nil:
		return errors.New("push: no clock given")
	}
	return nil
}

// Worker pushes the messages of its subscriptions. It is safe for concurrent use.
type Worker struct {
	cfg   Config
	slots *slots
	log   limitedLog

	setting sync.Mutex // held by Set and Close
	mu      sync.Mutex
	loops   map[string]*loop
	closed  bool
}

// New returns a Worker without subscriptions.
func New(cfg Config) (*Worker, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	return &Worker{
		cfg: cfg, slots: newSlots(cfg.Concurrency), loops: map[string]*loop{},
		log: limitedLog{log: cfg.Log, now: cfg.Now, limit: rate.NewLimiter(logRate, logBurst)},
	}, nil
}

// logged logs at level debug: there can be thousands.
func (w *Worker) logged(message string, s *Subscription) {
	w.cfg.Log.LogAttrs(context.Background(), slog.LevelDebug, message, slog.String("subscription", s.Project+"/"+s.Name)) //nolint:sloglint // callers pass constants
}

// Set says which subscriptions to push. Those that are new or have changed start, those that
// are missing end. It returns once nothing is pushed any more by a configuration that is not
// in force; messages that were tried then are given back to their Source first.
//
// The Worker closes a Source that it was given once it needs it no more.
func (w *Worker) Set(subscriptions []Subscription) {
	w.setting.Lock()
	defer w.setting.Unlock()
	wanted := make(map[string]*Subscription, len(subscriptions))
	for i := range subscriptions {
		wanted[subscriptions[i].ID] = &subscriptions[i]
	}
	w.mu.Lock()
	var ending []*loop
	for id, l := range w.loops {
		if s := wanted[id]; s == nil || w.closed || !same(s, &l.sub) {
			l.stop()
			delete(w.loops, id)
			ending = append(ending, l)
			w.logged("pushes of a subscription end", &l.sub)
		}
	}
	w.mu.Unlock()
	var ended sync.WaitGroup
	for _, l := range ending {
		ended.Go(func() {
			<-l.done
			if s := wanted[l.sub.ID]; s == nil || w.closed || s.Source != l.sub.Source {
				l.sub.Source.Close()
			}
		})
	}
	ended.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, s := range wanted {
		switch {
		case w.loops[id] != nil:
		case w.closed:
			s.Source.Close()
		default:
			w.loops[id] = w.start(*s)
			w.logged("pushes of a subscription begin", s)
		}
	}
}

// same reports whether nothing has changed that matters to pushes. The header that
// Authorization returns belongs to Push.
func same(a, b *Subscription) bool {
	return a.Source == b.Source && a.Project == b.Project && a.Name == b.Name && a.AckDeadline == b.AckDeadline &&
		reflect.DeepEqual(a.Push, b.Push)
}

// Close ends all subscriptions. Pushes in progress may go on until ctx ends. Nothing can be
// set afterwards.
func (w *Worker) Close(ctx context.Context) {
	w.setting.Lock()
	defer w.setting.Unlock()
	w.mu.Lock()
	w.closed = true
	loops := w.loops
	w.loops = map[string]*loop{}
	w.mu.Unlock()
	for _, l := range loops {
		l.drain()
	}
	var ended sync.WaitGroup
	for _, l := range loops {
		ended.Go(func() {
			select {
			case <-l.done:
			case <-ctx.Done():
				l.stop()
				<-l.done
			}
			l.sub.Source.Close()
		})
	}
	ended.Wait()
}

// State returns how the pushes of a subscription go; false: this Worker does not have it.
func (w *Worker) State(id string) (apipush.State, bool) {
	w.mu.Lock()
	l := w.loops[id]
	w.mu.Unlock()
	if l == nil {
		return apipush.State{}, false
	}
	return l.state.get(), true
}

// States returns how the pushes of all subscriptions go, by id.
func (w *Worker) States() map[string]apipush.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	states := make(map[string]apipush.State, len(w.loops))
	for id, l := range w.loops {
		states[id] = l.state.get()
	}
	return states
}

func (w *Worker) start(sub Subscription) *loop { //nolint:gocritic // the loop keeps it
	target, err := url.Parse(endpoint(&sub.Push))
	if err != nil || target.Host == "" {
		target = &url.URL{} // nothing is pushed there
	}
	if sub.AckDeadline <= 0 {
		sub.AckDeadline = defaultAckDeadline
	}
	l := &loop{w: w, sub: sub, target: target, policy: newPolicy(&sub.Push), done: make(chan struct{})}
	l.hard, l.stop = context.WithCancel(context.Background())
	l.soft, l.drain = context.WithCancel(l.hard)
	status := apipush.StatusActive
	if !mayPush(&sub.Push) || target.Host == "" {
		status = apipush.StatusUnverified
	}
	l.state.s = apipush.State{Status: status, Since: w.cfg.Now()}
	go l.run()
	return l
}
