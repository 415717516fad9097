package service

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/app/messages/streams"
	"usher/app/push"
	"usher/app/push/jssource"
	"usher/app/push/lease"
	"usher/directory"
	"usher/directory/snapshot"
)

// How often the directory is looked at: a walk over all projects is not free.
const (
	lookAgain = 100 * time.Millisecond
	walkAgain = time.Second
)

// entry is a subscription that is to be pushed.
type entry struct {
	project *directory.Project
	sub     *directory.Subscription
}

// source is where the messages of a subscription come from, and what for.
type source struct {
	*jssource.Source
	account string
	stream  string
	ackWait time.Duration
	ordered bool
}

// follow follows the directory.
func (s *Service) follow(ctx context.Context) {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	var last *snapshot.Snapshot
	var walked time.Time
	for {
		if now, snap := s.cfg.Now(), s.cfg.Snapshot(); snap != nil && snap != last && now.Sub(walked) >= walkAgain {
			last, walked = snap, now
			s.walk(snap)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// walk finds what is to be pushed.
func (s *Service) walk(snap *snapshot.Snapshot) {
	entries := map[string]entry{}
	var ids []string
	for p := range snap.Projects() {
		for i := range p.Subscriptions {
			sub := &p.Subscriptions[i]
			if !wanted(sub.Push) {
				continue
			}
			id := lease.ID(p, sub)
			entries[id] = entry{p, sub}
			ids = append(ids, id)
		}
	}
	s.mu.Lock()
	s.entries = entries
	s.set()
	s.mu.Unlock()
	s.leases.Want(ids)
}

// wanted reports whether messages are pushed at all.
func wanted(p *directory.Push) bool {
	switch {
	case p == nil:
		return false
	case p.Type == push.TypeMattermost:
		return p.MattermostURL != ""
	default:
		return p.Endpoint != "" && p.Verified
	}
}

// set tells the worker what to push: what this process has and the directory too, and the
// others. The caller holds the lock.
func (s *Service) set() {
	var subscriptions []push.Subscription
	sources := map[string]source{}
	for _, id := range s.held {
		e, ok := s.entries[id]
		if !ok {
			continue
		}
		src := s.source(id, e)
		sources[id] = src
		subscriptions = append(subscriptions, s.subscription(id, e, src))
	}
	s.sources = sources // the worker closes the others
	for _, sub := range s.others {
		subscriptions = append(subscriptions, *sub)
	}
	s.worker.Set(subscriptions)
}

func (s *Service) source(id string, e entry) source {
	want := source{
		account: e.project.Account, stream: streams.StreamName(e.project), ackWait: streams.AckWait(e.sub),
		ordered: e.sub.Push.Type == push.TypeMattermost || e.sub.Push.MaxMessages <= 1,
	}
	have := s.sources[id]
	want.Source = have.Source
	if want.Source != nil && want == have {
		return have
	}
	want.Source = jssource.New(jssource.Config{
		JetStream: func(ctx context.Context) (jetstream.JetStream, error) { return s.cfg.JetStream(ctx, want.account) },
		Store:     s.store, Subscription: messages.SubscriptionRef{Project: e.project, Subscription: e.sub}, AckWait: want.ackWait, Ordered: want.ordered,
		DeadLetter: deadLetterSubject(s.cfg.Config.Push.DeadLetterSubject, e), Budget: s.budget,
	})
	return want
}

func deadLetterSubject(template string, e entry) string {
	return strings.NewReplacer("{project}", e.project.Name, "{subscription}", e.sub.Name).Replace(template)
}

func (s *Service) subscription(id string, e entry, src source) push.Subscription {
	sub := push.Subscription{
		ID: id, Project: e.project.Name, Name: e.sub.Name, Push: *e.sub.Push, Source: src.Source, AckDeadline: src.ackWait,
		Current: func() bool { return s.leases.Valid() && s.current(e) },
	}
	if e.sub.Push.Authorization != nil {
		sub.Authorization = once(func(ctx context.Context) (string, error) { return s.cfg.Authorization(ctx, e.project, e.sub) })
	}
	if a := e.sub.Push.Authorization; a != nil && len(a.Previous) > 0 && s.cfg.Previous != nil {
		sub.Previous = once(func(ctx context.Context) (string, error) { return s.cfg.Previous(ctx, e.project, e.sub) })
	}
	return sub
}

// once keeps what open returns, unless that is an error: to open the header of an entry costs
// more than to make the body of a push, and it stays the same.
func once(open func(context.Context) (string, error)) func(context.Context) (string, error) {
	var mu sync.Mutex
	var header string
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if header != "" {
			return header, nil
		}
		var err error
		header, err = open(ctx)
		return header, err
	}
}

// current reports whether the directory still wants what was found.
func (s *Service) current(e entry) bool {
	snap := s.cfg.Snapshot()
	if snap == nil {
		return false
	}
	p, ok := snap.Project(e.project.Name)
	if !ok || p.ID != e.project.ID || p.Account != e.project.Account {
		return false
	}
	sub, ok := snap.Subscription(e.project.Name, e.sub.Name)
	return ok && (sub == e.sub || sub.Topic == e.sub.Topic && reflect.DeepEqual(sub.Push, e.sub.Push))
}
