package servers

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/callout/session"
)

// forgetAfter is how long it is kept that a connection has ended.
const forgetAfter = 15 * time.Second

// receive handles events and answers to STATZ, one after the other: an answer comes after the
// events of what it counts.
func (s *Servers) receive(ctx context.Context) {
	forget := time.NewTicker(forgetAfter)
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-forget.C:
			s.mu.Lock()
			for _, k := range s.servers {
				k.forgetEnded()
			}
			s.mu.Unlock()
		case m := <-s.messages:
			s.handle(m)
		}
	}
}

func (s *Servers) handle(m *nats.Msg) {
	last := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	switch last {
	case "check":
		s.checked(m)
		return
	case "SHUTDOWN":
		if id := strings.Split(m.Subject, "."); len(id) == 4 {
			s.serverGone(id[2], false)
		}
		return
	}
	var e event
	if json.Unmarshal(m.Data, &e) != nil || e.Server.ID == "" || e.Client.ID == 0 {
		return // not an event of a server; what it meant is found by comparing
	}
	switch last {
	case "CONNECT":
		s.counters.connects.Add(1)
		s.connectedEvent(&e)
	case "DISCONNECT":
		s.counters.disconnects.Add(1)
		s.end(session.ID{Server: e.Server.ID, Client: e.Client.ID}, false, sessions.Disconnected)
	case "ERR":
		s.counters.refusals.Add(1)
		id := session.ID{Server: e.Server.ID, Client: e.Client.ID}
		s.end(id, true, sessions.Refused)
		s.cfg.Refused(Refusal{ID: id, ServerName: e.Server.Name, Reason: e.Reason, At: e.Time})
	}
}

func (s *Servers) connectedEvent(e *event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.server(e.Server.ID)
	k.info = e.Server
	k.confirm(&e.Client, s.accounts.number(e.Client.Account), s.cfg.Now())
}

// end notes that a connection has ended, and removes its session.
func (s *Servers) end(id session.ID, refused bool, why sessions.Ending) {
	s.mu.Lock()
	k := s.server(id.Server)
	was, ours := k.drop(id.Client)
	if was&confirmed != 0 && why == sessions.Refused {
		why = sessions.Disconnected // the server had accepted its user JWT
	}
	if before, ended := k.hasEnded(id.Client); !ended || !before {
		k.ended[id.Client] = refused && why == sessions.Refused
	}
	for _, b := range s.batches {
		b.closed(id)
	}
	s.mu.Unlock()
	if ours {
		s.registry.Remove(id, why)
	}
}

// removeLate removes the sessions that were added after they had ended.
func (s *Servers) removeLate() {
	s.mu.Lock()
	late := s.late
	s.late = nil
	why := make([]sessions.Ending, len(late))
	for i, id := range late {
		why[i] = sessions.Disconnected
		if refused, _ := s.server(id.Server).hasEnded(id.Client); refused {
			why[i] = sessions.Refused
		}
	}
	s.mu.Unlock()
	for i, id := range late {
		s.counters.lateEnded.Add(1)
		s.registry.Remove(id, why[i])
	}
}
