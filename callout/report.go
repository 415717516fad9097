package callout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"usher/issuer"
)

// Report is what one running usher says of its keys, over $SRV.STATS.usher in
// the callout account. Nothing in it is secret.
type Report struct {
	Instance string    `json:"instance"` // one for each process, random
	Host     string    `json:"host,omitempty"`
	Started  time.Time `json:"started"`
	Keys     []KeyUse  `json:"keys"` // every key of its keyring, and every other that servers asked for, bounded
}

// KeyUse is how much one key was asked for. For an issuer these are requests
// whose server expects it, for an xkey those that it opened, and for a signing
// key the answers in which it signed the response or the user JWT. Requests that
// proved to come from no server are not counted.
type KeyUse struct {
	PublicKey string          `json:"public_key"`
	Kind      string          `json:"kind,omitempty"`
	State     issuer.KeyState `json:"state,omitempty"` // empty: not in the keyring
	Account   string          `json:"account,omitempty"`
	Scope     string          `json:"scope,omitempty"`
	LastHour  uint64          `json:"last_hour"`         // requests in the minute that runs and the 59 before it
	Last      *time.Time      `json:"last,omitempty"`    // in whole seconds; nil: never since the start
	Servers   []ServerUse     `json:"servers,omitempty"` // who asked since the start, newest first, bounded
}

// ServerUse is when a server asked for a key last.
type ServerUse struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Last time.Time `json:"last"`
}

// Key returns what the report says of a public key, or nil.
func (r *Report) Key(public string) *KeyUse {
	for i := range r.Keys {
		if r.Keys[i].PublicKey == public {
			return &r.Keys[i]
		}
	}
	return nil
}

// Name returns the report's usher for people: where it runs, and the end of its
// instance.
func (r *Report) Name() string {
	short := r.Instance[max(0, len(r.Instance)-8):]
	if r.Host == "" {
		return short
	}
	return short + " on " + r.Host
}

// maxListed bounds the servers of one report, shared between its keys.
const maxListed = 2048

// Report returns what the service says of its keys.
func (s *Service) Report() Report { return s.report(maxListed) }

func (s *Service) report(listed int) Report {
	now := s.cfg.Now()
	uses := *s.usage.keys.Load()
	r := Report{Instance: s.instance, Host: s.cfg.Host, Started: s.started, Keys: []KeyUse{}}
	for _, k := range s.cfg.Keyring().Keys() {
		r.Keys = append(r.Keys, KeyUse{PublicKey: k.PublicKey, Kind: k.Kind, State: k.State, Account: k.Account, Scope: k.Scope})
	}
	for _, public := range slices.Sorted(maps.Keys(uses)) {
		if r.Key(public) == nil {
			r.Keys = append(r.Keys, KeyUse{PublicKey: public})
		}
	}
	lengths := make([]int, len(r.Keys))
	for i := range r.Keys {
		if use := uses[r.Keys[i].PublicKey]; use != nil {
			r.Keys[i].fill(use, now)
		}
		lengths[i] = len(r.Keys[i].Servers)
	}
	most := longest(lengths, listed)
	for i := range r.Keys {
		r.Keys[i].Servers = r.Keys[i].Servers[:min(most, lengths[i])]
	}
	return r
}

// fill says how a key was used.
func (u *KeyUse) fill(k *keyUse, now time.Time) {
	if at := k.last.Load(); at != 0 {
		last := time.Unix(at, 0).UTC()
		u.LastHour, u.Last = k.lastHour(now), &last
	}
	for id, s := range *k.servers.Load() {
		u.Servers = append(u.Servers, ServerUse{ID: id, Name: s.name, Last: time.Unix(s.last.Load(), 0).UTC()})
	}
	slices.SortFunc(u.Servers, func(a, b ServerUse) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// longest returns how long each of these lists may be, so that all of them have
// no more than total entries: long ones are cut before short ones.
func longest(lengths []int, total int) int {
	sorted := slices.Sorted(slices.Values(lengths))
	for i, n := range sorted {
		each := total / (len(sorted) - i)
		if n > each {
			return each
		}
		total -= n
	}
	return maxKeyServers
}

// statsRoom is what the rest of an answer to $SRV.STATS may take, in bytes.
const statsRoom = 4096

// stats returns the report as micro sends it, with as many servers as one message
// can hold.
func (s *Service) stats(c *conn) any {
	for listed := maxListed; ; listed /= 2 {
		text, err := json.Marshal(s.report(listed))
		if err != nil || listed == 0 || int64(len(text)) <= c.nc.MaxPayload()-statsRoom {
			return json.RawMessage(text)
		}
	}
}

// statsSubject is where every service connection of every usher answers.
const statsSubject = "$SRV.STATS." + serviceName

// Reports asks every usher of the callout account, in which nc has to be, and
// collects what they say until wait is over: one report for each process, the
// one that was started first first. No usher is no error.
func Reports(ctx context.Context, nc *nats.Conn, wait time.Duration) ([]Report, error) {
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("ask for reports: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection has gone, and the subscription with it
	if err := nc.PublishRequest(statsSubject, sub.Subject, nil); err != nil {
		return nil, fmt.Errorf("ask for reports: %w", err)
	}
	collecting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	found := map[string]Report{} // by instance: each of its connections answers
	for {
		m, err := sub.NextMsgWithContext(collecting)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("ask for reports: %w", ctx.Err())
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
			return slices.SortedFunc(maps.Values(found), func(a, b Report) int {
				return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Instance, b.Instance))
			}), nil
		case err != nil:
			return nil, fmt.Errorf("ask for reports: %w", err)
		}
		if r, ok := reportOf(m.Data); ok {
			found[r.Instance] = r
		}
	}
}

// reportOf reads an answer. One without a report is of another service that has
// the same name.
func reportOf(data []byte) (Report, bool) {
	var stats micro.Stats
	if json.Unmarshal(data, &stats) != nil {
		return Report{}, false
	}
	for _, e := range stats.Endpoints {
		var r Report
		if json.Unmarshal(e.Data, &r) == nil && r.Instance != "" {
			return r, true
		}
	}
	return Report{}, false
}
