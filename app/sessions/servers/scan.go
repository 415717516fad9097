package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
)

const (
	answerWithin = 5 * time.Second // long, so that a busy server is not mistaken for a stopped one
	scanOverlap  = 64
	scanPause    = time.Second // between two scans of a server, at least; it makes the lists of all its clients
)

// schedule is when a server is scanned.
type schedule struct {
	at     time.Time
	last   time.Time // end of the last one
	took   time.Duration
	urgent bool // due whatever a scan finds that is under way
}

// due makes a scan due.
func (c *schedule) due(at time.Time) { c.at, c.urgent = at, true }

// differs makes a scan due, not too soon after the last one.
func (c *schedule) differs(now time.Time) {
	at := c.last.Add(max(scanPause, 5*c.took))
	if c.urgent || c.at.Before(at) {
		return
	}
	c.at = at
	if at.Before(now) {
		c.at = now
	}
}

// scans scans the servers whose scan is due, one after the other.
func (s *Servers) scans(ctx context.Context) {
	tick := time.NewTicker(min(s.cfg.CheckEvery, recheckAfter) / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for id := s.nextScan(); id != "" && ctx.Err() == nil; id = s.nextScan() {
			s.scan(ctx, id)
		}
	}
}

// soon is now, or a little later: replicas that notice the same do not ask at the same moment.
func (s *Servers) soon(now time.Time) time.Time {
	return now.Add(time.Duration(s.cfg.Random() * float64(s.cfg.CheckEvery) / 2))
}

// nextScan returns the server whose scan is due, or "".
func (s *Servers) nextScan() string {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected.IsZero() {
		return ""
	}
	first := ""
	for id, k := range s.servers {
		if k.checks > 0 && !k.scan.at.After(now) && (first == "" || k.scan.at.Before(s.servers[first].scan.at)) {
			first = id
		}
	}
	return first
}

// scan makes what is known about a server equal to its list of connections. A session is
// removed if it was known before the list was made, and is not in it.
func (s *Servers) scan(ctx context.Context, id string) {
	started := s.cfg.Now()
	s.mu.Lock()
	k := s.servers[id]
	if k == nil { // it has stopped meanwhile
		s.mu.Unlock()
		return
	}
	before := make(map[uint64]struct{}, len(k.conns))
	for cid := range k.conns {
		before[cid] = struct{}{}
	}
	k.scan.urgent = false
	s.mu.Unlock()
	err := s.list(ctx, id, false, func(page []connInfo) {
		s.mu.Lock()
		defer s.mu.Unlock()
		now := s.cfg.Now()
		for i := range page {
			delete(before, page[i].CID)
			c := page[i].client()
			k.confirm(c, s.accounts.number(c.Account), now)
		}
	})
	var missing []session.ID
	now := s.cfg.Now()
	s.mu.Lock()
	k.scan.last, k.scan.took = now, now.Sub(started)
	if !k.scan.urgent {
		k.scan.at = now.Add(time.Duration((0.75 + 0.5*s.cfg.Random()) * float64(s.cfg.ScanEvery)))
	}
	if err != nil {
		k.scan.at = now.Add(scanPause)
	}
	for cid := range before {
		since, waits := k.unconfirmed[cid]
		_, there := k.conns[cid]
		if err == nil && there && (!waits || started.Sub(since) >= confirmWithin) {
			missing = append(missing, session.ID{Server: id, Client: cid})
		}
	}
	s.mu.Unlock()
	if err != nil {
		s.counters.scansFailed.Add(1)
		s.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "cannot list the connections of a server", slog.String("server_id", id), slog.String("error", err.Error()))
		return
	}
	s.counters.scans.Add(1)
	for _, x := range missing {
		s.counters.missing.Add(1)
		s.end(x, false, sessions.Missing)
	}
}

// list calls page with all connections of a server. A connection that is open all the time is
// in one of them: the pages are sorted, and each begins at or before the end of the last one,
// however many connections have ended between them.
func (s *Servers) list(ctx context.Context, id string, subjects bool, page func([]connInfo)) error {
	var last uint64
	overlap := min(scanOverlap, s.cfg.ScanPage/2)
	for offset, size := 0, s.cfg.ScanPage; ; {
		got, err := s.connz(ctx, id, connzRequest{Auth: true, Sort: "cid", Offset: offset, Limit: size, Subscriptions: subjects})
		if err != nil {
			return err
		}
		conns := got.Connections
		slices.SortFunc(conns, func(a, b connInfo) int { return int(int64(a.CID) - int64(b.CID)) }) //nolint:gosec // numbers of connections are small
		if offset > 0 && (len(conns) == 0 || conns[0].CID > last) {
			overlap *= 4
			offset = max(0, offset-overlap)
			continue
		}
		page(conns)
		if len(conns) < size {
			return nil
		}
		last = conns[len(conns)-1].CID
		overlap = min(scanOverlap, size/2)
		// A server makes the whole list for each page of it.
		size = min(max(s.cfg.ScanPage, got.Total/8), 8*s.cfg.ScanPage)
		offset = max(0, offset+len(conns)-overlap)
	}
}

// connz asks a server for a part of its list of connections.
func (s *Servers) connz(ctx context.Context, id string, request connzRequest) (*connz, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, err := s.nc.RequestWithContext(ctx, subjectConnz(id), body)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	var a answer[connz]
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	if a.Error != nil {
		return nil, fmt.Errorf("list connections: the server answers %s", *a.Error)
	}
	return &a.Data, nil
}
