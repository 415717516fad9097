package operator

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Varz is what a server says of itself (nats-server, monitor.go), as far as it is used
// here.
type Varz struct {
	Server       `json:"-"`
	Version      string   `json:"version"`
	Host         string   `json:"host"`
	Port         int      `json:"port"`
	ConnectURLs  []string `json:"connect_urls"` // HOST:PORT of itself and of the servers of its cluster
	MaxPayload   int64    `json:"max_payload"`
	AuthRequired bool     `json:"auth_required"`
	AuthTimeout  float64  `json:"auth_timeout"` // seconds
	Operators    []string `json:"trusted_operators_jwt"`
	Cluster      struct {
		Name string `json:"name"`
	} `json:"cluster"`
}

// Leaf is a leaf node that is connected to a server.
type Leaf struct {
	Name    string `json:"name"` // of the server at the other end
	Account string `json:"account"`
	IP      string `json:"ip"`
}

// each asks every server, and takes their answers until all of servers have answered
// or the time is over. What one does not answer, or refuses, is left out.
func (c *Cluster) each(ctx context.Context, subject string, body []byte, servers []Server, take func(s Server, data json.RawMessage)) error {
	missing := make(map[string]bool, len(servers))
	for _, s := range servers {
		missing[s.ID] = true
	}
	return c.ask(ctx, subject, body, func(m *nats.Msg) (bool, error) {
		var e envelope
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return false, fmt.Errorf("%s: %w", subject, err)
		}
		if e.Error == nil && len(e.Data) > 0 {
			take(e.Server, e.Data)
		}
		delete(missing, e.Server.ID)
		return len(missing) == 0, nil
	})
}

// Varz returns what the servers say of themselves, by server ID.
func (c *Cluster) Varz(ctx context.Context, servers []Server) (map[string]*Varz, error) {
	all := map[string]*Varz{}
	err := c.each(ctx, subjectVarz, nil, servers, func(s Server, data json.RawMessage) {
		v := &Varz{}
		if json.Unmarshal(data, v) == nil {
			v.Server = s
			all[s.ID] = v
		}
	})
	if err != nil {
		return nil, fmt.Errorf("ask servers about themselves: %w", err)
	}
	return all, nil
}

// AccountNames returns the accounts that each server has, by server ID: in config mode
// all of them; in operator mode those that it has had to load.
func (c *Cluster) AccountNames(ctx context.Context, servers []Server) (map[string][]string, error) {
	all := map[string][]string{}
	err := c.each(ctx, subjectAccount, nil, servers, func(s Server, data json.RawMessage) {
		var list struct {
			Accounts []string `json:"accounts"`
		}
		if json.Unmarshal(data, &list) == nil {
			all[s.ID] = list.Accounts
		}
	})
	if err != nil {
		return nil, fmt.Errorf("ask servers for their accounts: %w", err)
	}
	return all, nil
}

// Leafs returns the leaf nodes that are connected to the servers, by server ID.
func (c *Cluster) Leafs(ctx context.Context, servers []Server) (map[string][]Leaf, error) {
	all := map[string][]Leaf{}
	err := c.each(ctx, subjectLeafz, nil, servers, func(s Server, data json.RawMessage) {
		var list struct {
			Leafs []Leaf `json:"leafs"`
		}
		if json.Unmarshal(data, &list) == nil {
			all[s.ID] = list.Leafs
		}
	})
	if err != nil {
		return nil, fmt.Errorf("ask servers for their leaf nodes: %w", err)
	}
	return all, nil
}
