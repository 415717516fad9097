package service

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	apipush "usher/api/push"
	"usher/app/messages/streams"
)

// Times of subscriptions that this process cannot push, although their endpoints may be well:
// it cannot read the messages or open the header.
const (
	blockedFor = 4 * time.Second // then other workers get it
	tryAgain   = 30 * time.Second
	tryMost    = 15 * time.Minute
	trying     = 10 * time.Second // for one subscription
)

// trial is a subscription that this process could not push.
type trial struct {
	declined bool
	cause    string
	next     time.Time     // when it is tried again
	wait     time.Duration // after next, if that fails
}

// unable are the subscriptions that this process cannot push. They go to other workers until a
// trial succeeds, so that the worker with a wrong keyring takes none from the others.
type unable struct {
	mu     sync.Mutex
	trials map[string]*trial
}

// ready returns an error if all that this process has, or would have, is blocked.
func (u *unable) ready(states map[string]apipush.State) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	cause := ""
	for _, id := range slices.Sorted(maps.Keys(u.trials)) {
		if t := u.trials[id]; t.declined && cause == "" {
			cause = t.cause
		}
	}
	for id, s := range states { //nolint:gocritic // the map has copies
		if s.Status != apipush.StatusBlocked && s.Status != apipush.StatusUnverified && (u.trials[id] == nil || !u.trials[id].declined) {
			return nil
		}
	}
	if cause == "" {
		return nil
	}
	return fmt.Errorf("this process can push none of its subscriptions: %s", cause)
}

// note takes over how pushes go. It returns what to try again.
func (u *unable) note(states map[string]apipush.State, wanted map[string]entry, now time.Time) (due []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.trials == nil {
		u.trials = map[string]*trial{}
	}
	for id := range u.trials {
		if _, ok := wanted[id]; !ok {
			delete(u.trials, id)
		}
	}
	for id, s := range states { //nolint:gocritic // the map has copies
		t := u.trials[id]
		if _, ok := wanted[id]; !ok {
			continue // of a messaging service: no other process has it
		}
		switch {
		case s.Status != apipush.StatusBlocked:
			if t != nil && !s.LastSuccess.IsZero() {
				delete(u.trials, id)
			} else if t != nil {
				t.declined = false
			}
		case now.Sub(s.Since) >= blockedFor && (t == nil || !t.declined):
			if t == nil {
				t = &trial{wait: tryAgain}
				u.trials[id] = t
			}
			t.declined, t.cause, t.next = true, s.LastError, now.Add(t.wait)
			t.wait = min(2*t.wait, tryMost)
		}
	}
	for id, t := range u.trials {
		if t.declined && !now.Before(t.next) {
			due = append(due, id)
		}
	}
	slices.Sort(due)
	return due
}

// tried notes what came of a trial.
func (u *unable) tried(id string, err error, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.trials[id]
	if t == nil {
		return
	}
	if t.declined = err != nil; t.declined {
		t.cause, t.next = err.Error(), now.Add(t.wait)
		t.wait = min(2*t.wait, tryMost)
	}
}

func (u *unable) declined() (ids []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, t := range u.trials {
		if t.declined {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// declineBlocked gives what this process cannot push to the others, and tries it again.
func (s *Service) declineBlocked(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !s.leases.Valid() {
			continue // the servers are down, for all workers perhaps
		}
		s.mu.Lock()
		entries := s.entries
		s.mu.Unlock()
		s.try(ctx, s.unable.note(s.worker.States(), entries, s.cfg.Now()), entries)
		ids := s.unable.declined()
		s.leases.Decline(ids)
		if len(ids) > before {
			s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "this process cannot push subscriptions, and leaves them to other push workers",
				slog.Int("subscriptions", len(ids)), slog.String("hint", "it needs the keyring and the accounts of usher serve"))
		}
		before = len(ids)
	}
}

// try finds out whether subscriptions could be pushed now. Those of an account into which this
// process cannot connect fail together.
func (s *Service) try(ctx context.Context, ids []string, entries map[string]entry) {
	failed := map[string]error{}
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		e := entries[id]
		err := failed[e.project.Account]
		if err == nil {
			var account bool
			if account, err = s.tryOne(ctx, e); account {
				failed[e.project.Account] = err
			}
		}
		s.unable.tried(id, err, s.cfg.Now())
	}
}

// tryOne reports whether an error is that of the whole account.
func (s *Service) tryOne(ctx context.Context, e entry) (account bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, trying)
	defer cancel()
	js, err := s.cfg.JetStream(ctx, e.project.Account)
	if err != nil {
		return true, err
	}
	if _, err := js.Consumer(ctx, streams.StreamName(e.project), e.sub.Name); err != nil {
		return ctx.Err() != nil, fmt.Errorf("find the consumer: %w", err)
	}
	if e.sub.Push.Authorization != nil {
		if _, err := s.cfg.Authorization(ctx, e.project, e.sub); err != nil {
			return false, err
		}
	}
	return false, nil
}
