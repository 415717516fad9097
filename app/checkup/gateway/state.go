package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/app/config"
	"usher/issuer/operator"
)

// State is what the servers report about their gateways.
type State struct {
	servers     []operator.Server
	varz        map[string]*operator.Varz          // by server ID, as the others
	gateways    map[string]*operator.Gatewayz      // missing: the server does not report it
	subscribers map[string][]operator.Subscription // of events in the account of the ingest grant
	shares      map[string][]string                // exports and imports of that account
	asked       time.Time                          // when gateways was asked for
	refused     []*operator.NotPermittedError      // what the system user may not ask
	failed      error                              // why nothing else is known
}

// event is a subject to which supervisors publish.
const event = "habitat.event.healthcheck"

// Ask asks the servers about their gateways. ingest is the servers' name of the account of
// the ingest grant; empty: there is none. It asks nothing of servers without gateways,
// unless the section gateways says that they have some.
func Ask(ctx context.Context, c *operator.Cluster, cfg *config.Config, servers []operator.Server, varz map[string]*operator.Varz, ingest string, now func() time.Time) *State {
	s := &State{servers: servers, varz: varz}
	joined := len(cfg.Gateways) > 0
	for _, v := range varz {
		joined = joined || v.Gateway.Name != ""
	}
	if !joined {
		return nil
	}
	s.asked = now()
	s.gateways, s.failed = c.Gatewayz(ctx, ingest, servers)
	if s.note(s.failed) {
		s.failed = nil
	}
	if ingest == "" || s.failed != nil {
		return s
	}
	subscribers, err := c.Subscribers(ctx, ingest, event, servers)
	if !s.note(err) && err != nil {
		s.failed = err
	}
	s.subscribers = subscribers
	if s.shares, err = c.Shares(ctx, ingest, servers); err != nil && !s.note(err) {
		s.failed = err
	}
	return s
}

// note keeps what the system user may not ask, and reports whether that was it.
func (s *State) note(err error) bool {
	var refused *operator.NotPermittedError
	if errors.As(err, &refused) {
		s.refused = append(s.refused, refused)
		return true
	}
	return false
}

// DecidesItself reports whether the servers of a gateway do not ask usher about their
// clients, by the section gateways.
func DecidesItself(cfg *config.Config, name string) bool {
	g := Entry(cfg, name)
	return g != nil && !g.AsksUsher
}

// of returns the name of a server's gateway; empty: it has none.
func (s *State) of(server operator.Server) string {
	if v := s.varz[server.ID]; v != nil {
		return v.Gateway.Name
	}
	if g := s.gateways[server.ID]; g != nil {
		return g.Name
	}
	return ""
}

// serverName returns the name of the server with an ID.
func (s *State) serverName(id string) string {
	for _, x := range s.servers {
		if x.ID == id {
			return x.Name
		}
	}
	return fmt.Sprintf("with ID %.8s…", id)
}
