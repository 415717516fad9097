package servers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/callout/session"
)

// Detail is what a server says about a connection now.
type Detail struct {
	LastActivity      time.Time
	Idle              time.Duration
	RTT               time.Duration // zero: not measured yet
	PendingBytes      int
	InMsgs, OutMsgs   int64
	InBytes, OutBytes int64
	Subscriptions     int
	Subjects          []string // of the subscriptions, if they were asked for
	Name              string   // what the client says about itself
	Lang, Version     string
	MQTTClient        string
	TLSVersion        string
}

// Details returns what the servers say about connections; subjects: with the subjects of their
// subscriptions. Connections that are closed are left out. The error is about servers that did
// not answer; the others' connections are returned all the same.
func (s *Servers) Details(ctx context.Context, ids []session.ID, subjects bool) (map[session.ID]Detail, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	byServer := map[string][]session.ID{}
	for _, id := range ids {
		byServer[id.Server] = append(byServer[id.Server], id)
	}
	type found struct {
		server string
		conns  map[session.ID]*connInfo
		now    time.Time
		err    error
	}
	results := make(chan found, len(byServer))
	for server, ids := range byServer {
		go func() {
			conns, err := s.find(ctx, server, ids, subjects)
			results <- found{server, conns, s.cfg.Now(), err}
		}()
	}
	out := make(map[session.ID]Detail, len(ids))
	var errs []error
	for range byServer {
		r := <-results
		if r.err != nil {
			errs = append(errs, fmt.Errorf("server %s: %w", r.server, r.err))
		}
		for id, c := range r.conns {
			out[id] = c.detail(r.now)
		}
	}
	return out, errors.Join(errs...)
}

func (c *connInfo) detail(now time.Time) Detail {
	rtt, _ := time.ParseDuration(c.RTT) // empty: not measured yet
	return Detail{
		LastActivity: c.LastActivity, Idle: max(0, now.Sub(c.LastActivity)), RTT: rtt, PendingBytes: c.Pending,
		InMsgs: c.InMsgs, OutMsgs: c.OutMsgs, InBytes: c.InBytes, OutBytes: c.OutBytes,
		Subscriptions: int(c.NumSubs), Subjects: c.Subs, Name: c.Name, Lang: c.Lang, Version: c.Version,
		MQTTClient: c.MQTTClient, TLSVersion: c.TLSVersion,
	}
}

// find returns those of some connections of a server that are open, with as few requests as
// possible: one for each, or one for each page of the server's list.
func (s *Servers) find(ctx context.Context, server string, ids []session.ID, subjects bool) (map[session.ID]*connInfo, error) {
	found := make(map[session.ID]*connInfo, len(ids))
	s.mu.Lock()
	total := 0
	if k := s.servers[server]; k != nil {
		total = len(k.conns)
	}
	s.mu.Unlock()
	if pages := total/s.cfg.ScanPage + 1; len(ids) <= pages {
		for _, id := range ids {
			got, err := s.connz(ctx, server, connzRequest{Auth: true, CID: id.Client, Subscriptions: subjects})
			if err != nil {
				return found, err
			}
			if len(got.Connections) == 1 {
				found[id] = &got.Connections[0]
			}
		}
		return found, nil
	}
	wanted := make(map[uint64]session.ID, len(ids))
	for _, id := range ids {
		wanted[id.Client] = id
	}
	err := s.list(ctx, server, subjects, func(page []connInfo) {
		for i := range page {
			if id, ok := wanted[page[i].CID]; ok {
				found[id] = &page[i]
			}
		}
	})
	return found, err
}
