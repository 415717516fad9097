package servers

import (
	"context"
	"log/slog"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
)

// parkedFor is how long the sessions of a silent server are kept for its return.
const parkedFor = time.Hour

// parked has the sessions of a server that is silent. It may be cut off and not stopped, and
// then its sessions are still there when it comes back.
type parked struct {
	sessions []*session.Session
	since    time.Time
}

// serverGone removes all sessions of a server. mayReturn: it is only silent.
func (s *Servers) serverGone(id string, mayReturn bool) {
	s.mu.Lock()
	k := s.servers[id]
	if k == nil {
		s.mu.Unlock()
		return
	}
	name := k.info.Name
	delete(s.servers, id)
	var ours []session.ID
	for cid, st := range k.conns {
		if st&(foreign|unclaimed) == 0 {
			ours = append(ours, session.ID{Server: id, Client: cid})
		}
	}
	s.mu.Unlock()
	s.counters.gone.Add(1)
	var kept []*session.Session
	for _, x := range ours {
		if found, ok := s.registry.Find(x); ok && mayReturn {
			kept = append(kept, found)
		}
		s.registry.Remove(x, sessions.ServerGone)
	}
	s.mu.Lock()
	if len(kept) > 0 {
		s.parked[id] = parked{kept, s.cfg.Now()}
	}
	s.mu.Unlock()
	s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "a server has gone; its sessions are removed",
		slog.String("server", name), slog.String("server_id", id), slog.Int("sessions", len(ours)), slog.Bool("silent", mayReturn))
}

// unpark gives the sessions of a server back that has returned. The scan that follows removes
// those that have ended.
func (s *Servers) unpark(id string) {
	s.mu.Lock()
	p := s.parked[id]
	delete(s.parked, id)
	s.mu.Unlock()
	for _, x := range p.sessions {
		s.registry.Add(x)
	}
}

// removeSilent removes the servers that no longer answer.
func (s *Servers) removeSilent() {
	now := s.cfg.Now()
	s.mu.Lock()
	var silent []string
	if !s.connected.IsZero() && s.heard.Sub(s.connected) >= s.cfg.GoneAfter { // others do answer
		for id, k := range s.servers {
			if s.heard.Sub(k.answered) >= s.cfg.GoneAfter {
				silent = append(silent, id)
			}
		}
	}
	for id, p := range s.parked {
		if now.Sub(p.since) > parkedFor {
			delete(s.parked, id)
		}
	}
	s.mu.Unlock()
	for _, id := range silent {
		s.serverGone(id, true)
	}
}
