package servers

import (
	"fmt"
	"slices"
	"strings"
)

// Ready returns nil if usher can list and close connections now.
func (s *Servers) Ready() error {
	if err := s.usable(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.denied != nil:
		return s.denied
	case s.heard.IsZero():
		return ErrNoAnswer
	}
	return nil
}

// usable returns nil if there is a connection.
func (s *Servers) usable() error {
	if !s.Configured() {
		return ErrNotConfigured
	}
	if s.nc == nil || !s.nc.IsConnected() {
		if s.nc != nil && s.nc.LastError() != nil {
			return fmt.Errorf("%w: %w", ErrNotConnected, s.nc.LastError())
		}
		return ErrNotConnected
	}
	return nil
}

// Status says what Servers has seen and done since the start.
type Status struct {
	Connected bool
	Servers   []Server // sorted by name

	Connects, Disconnects, Refusals uint64 // events
	Gaps                            uint64 // times when events were lost before they could be read
	Differences                     uint64 // times when a server had another number of connections
	Scans, ScansFailed              uint64 // lists of connections
	Adopted, Missing                uint64 // sessions: adopted, and removed because their server did not have them
	ServersGone                     uint64
	Kicks, KicksFailed              uint64 // connections to be closed, and those that could not be
}

// Server is what is known about one server.
type Server struct {
	ID, Name    string
	Connections int  // of all accounts
	Sessions    int  // that came by auth callout
	Listed      bool // its connections have been listed once
	Answers     bool // it has answered; false: known only from sessions, or usher is not connected
}

// Answering is how many servers answer.
func (s *Status) Answering() (n int) {
	for i := range s.Servers {
		if s.Servers[i].Answers {
			n++
		}
	}
	return n
}

// Status returns the state now.
func (s *Servers) Status() Status {
	c := &s.counters
	out := Status{
		Connected: s.usable() == nil,
		Connects:  c.connects.Load(), Disconnects: c.disconnects.Load(), Refusals: c.refusals.Load(),
		Gaps: c.gaps.Load(), Differences: c.differences.Load(), Scans: c.scans.Load(), ScansFailed: c.scansFailed.Load(),
		Adopted: c.adopted.Load(), Missing: c.missing.Load(), ServersGone: c.gone.Load(),
		Kicks: c.kicks.Load(), KicksFailed: c.kicksFailed.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, k := range s.servers {
		out.Servers = append(out.Servers, Server{
			ID: id, Name: k.info.Name, Connections: len(k.conns), Sessions: len(k.conns) - k.foreign, Listed: !k.scan.last.IsZero(),
			Answers: k.checks > 0 && !s.heard.IsZero(),
		})
	}
	slices.SortFunc(out.Servers, func(a, b Server) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return out
}
