package pushserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	apipush "usher/api/push"
	"usher/app/push"
	"usher/app/push/amssource"
)

// ActiveConfig is what Active needs.
type ActiveConfig struct {
	Messages *amssource.Client
	URL      string // of the messaging service; a part of the ids of subscriptions
	// Changed is called after each change of List; nil: nobody wants to know.
	Changed func()
	// State returns the state of a subscription of List by its id.
	State func(ctx context.Context, id string) (apipush.State, error)
	Log   *slog.Logger
}

// Active is the Registry of subscriptions of one messaging service. Whoever pushes gets them
// from List.
type Active struct {
	cfg ActiveConfig

	mu     sync.Mutex
	ready  bool
	denied bool // the last answer to Load refused the token
	subs   map[amssource.Name]*push.Subscription
}

// NewActive makes a registry. It is not ready until Load returns.
func NewActive(cfg ActiveConfig) *Active {
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	return &Active{cfg: cfg, subs: map[amssource.Name]*push.Subscription{}}
}

// The times between two attempts to ask for the list.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Load asks the messaging service which subscriptions it has, until it answers or ctx ends.
// A messaging service that does not tell because its token has no profile has none: it
// activates them.
func (a *Active) Load(ctx context.Context) error {
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		subs, err := a.cfg.Messages.List(ctx)
		switch {
		case err == nil, errors.Is(err, amssource.ErrGone), errors.Is(err, amssource.ErrForbidden):
			a.Use(subs)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		a.mu.Lock()
		a.denied = errors.Is(err, amssource.ErrDenied)
		a.mu.Unlock()
		a.cfg.Log.LogAttrs(ctx, slog.LevelError, "cannot ask which subscriptions are to be pushed", slog.String("error", err.Error()))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// Use makes the registry ready with subscriptions of the messaging service.
func (a *Active) Use(subs []amssource.Subscription) {
	a.mu.Lock()
	for i := range subs {
		sub := &subs[i]
		if err := check(sub); err != nil {
			a.cfg.Log.LogAttrs(context.Background(), slog.LevelError, "subscription cannot be pushed",
				slog.String("subscription", sub.Name.String()), slog.String("error", err.Error()))
			continue
		}
		a.add(sub)
	}
	a.ready = true
	a.mu.Unlock()
	a.cfg.Changed()
}

// add adds a subscription. The caller holds mu.
func (a *Active) add(sub *amssource.Subscription) {
	name, authorization := sub.Name, sub.Authorization
	gone := func() {
		if a.Deactivate(context.Background(), name) == nil {
			a.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "the messaging service does not have the subscription any more",
				slog.String("subscription", name.String()))
		}
	}
	added := &push.Subscription{
		ID: a.id(name), Project: name.Project, Name: name.Subscription, Push: sub.Push,
		Source:        a.cfg.Messages.Source(name, gone),
		Keep:          true,
		Authorization: func(context.Context) (string, error) { return authorization, nil },
	}
	added.Current = func() bool { return a.has(name, added) }
	a.subs[name] = added
}

// has reports whether this is what is active by the name.
func (a *Active) has(name amssource.Name, sub *push.Subscription) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.subs[name] == sub
}

// id is another one than that of any subscription of the directory or of another messaging
// service, and can be a part of a key of a bucket.
func (a *Active) id(name amssource.Name) string {
	sum := sha256.Sum256([]byte(a.cfg.URL + "\n" + name.String()))
	return "ams-" + hex.EncodeToString(sum[:16])
}

// List returns the active subscriptions, sorted by their ids. One that was activated again
// is another *push.Subscription.
func (a *Active) List() []*push.Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*push.Subscription, 0, len(a.subs))
	for _, sub := range a.subs {
		list = append(list, sub)
	}
	slices.SortFunc(list, func(a, b *push.Subscription) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Ready implements Registry.
func (a *Active) Ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ready:
		return nil
	case a.denied:
		return ErrToken
	default:
		return ErrNotReady
	}
}

// Activate implements Registry.
func (a *Active) Activate(_ context.Context, sub *amssource.Subscription) error {
	a.mu.Lock()
	if a.subs[sub.Name] != nil {
		a.mu.Unlock()
		return ErrActive
	}
	a.add(sub)
	a.mu.Unlock()
	a.cfg.Changed()
	return nil
}

// Deactivate implements Registry.
func (a *Active) Deactivate(_ context.Context, name amssource.Name) error {
	a.mu.Lock()
	if a.subs[name] == nil {
		a.mu.Unlock()
		return ErrNotActive
	}
	delete(a.subs, name)
	a.mu.Unlock()
	a.cfg.Changed()
	return nil
}

// State implements Registry.
func (a *Active) State(ctx context.Context, name amssource.Name) (apipush.State, error) {
	a.mu.Lock()
	sub := a.subs[name]
	a.mu.Unlock()
	if sub == nil {
		return apipush.State{}, ErrNotActive
	}
	return a.cfg.State(ctx, sub.ID)
}
