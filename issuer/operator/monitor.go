package operator

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Varz is the part of a server's VARZ response that usher uses (nats-server,
// monitor.go).
type Varz struct {
	Server       `json:"-"`
	Version      string   `json:"version"`
	Host         string   `json:"host"`
	Port         int      `json:"port"`
	ConnectURLs  []string `json:"connect_urls"` // HOST:PORT of every server of its cluster
	MaxPayload   int64    `json:"max_payload"`
	AuthRequired bool     `json:"auth_required"`
	AuthTimeout  float64  `json:"auth_timeout"` // seconds
	Operators    []string `json:"trusted_operators_jwt"`
	Cluster      struct {
		Name string `json:"name"`
	} `json:"cluster"`
	Gateway VarzGateway `json:"gateway"`
}

// VarzGateway is what a server reports about the configuration of its gateway.
type VarzGateway struct {
	Name          string `json:"name"` // empty: the server has none
	TLSRequired   bool   `json:"tls_required"`
	TLSVerify     bool   `json:"tls_verify"`
	RejectUnknown bool   `json:"reject_unknown"`
	Gateways      []struct {
		Name string   `json:"name"`
		URLs []string `json:"urls"` // HOST:PORT
	} `json:"gateways"`
}

// Leaf is a leaf node connection of a server.
type Leaf struct {
	Name    string `json:"name"` // of the remote server
	Account string `json:"account"`
	IP      string `json:"ip"`
}

// requestEach sends a request to every server, and calls handle for each response until
// all of servers have answered or the timeout has passed. A server that returns an error
// is left out.
func (c *Cluster) requestEach(ctx context.Context, subject string, body []byte, servers []Server, handle func(s Server, data json.RawMessage)) error {
	missing := make(map[string]bool, len(servers))
	for _, s := range servers {
		missing[s.ID] = true
	}
	return c.request(ctx, subject, body, func(m *nats.Msg) (bool, error) {
		var e envelope
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return false, fmt.Errorf("%s: %w", subject, err)
		}
		if e.Error == nil && len(e.Data) > 0 {
			handle(e.Server, e.Data)
		}
		delete(missing, e.Server.ID)
		return len(missing) == 0, nil
	})
}

// Varz returns the VARZ responses of the servers, by server ID.
func (c *Cluster) Varz(ctx context.Context, servers []Server) (map[string]*Varz, error) {
	all := map[string]*Varz{}
	err := c.requestEach(ctx, subjectVarz, nil, servers, func(s Server, data json.RawMessage) {
		v := &Varz{}
		if json.Unmarshal(data, v) == nil {
			v.Server = s
			all[s.ID] = v
		}
	})
	if err != nil {
		return nil, fmt.Errorf("request VARZ of the servers: %w", err)
	}
	return all, nil
}

// AccountNames returns the accounts of each server, by server ID. In operator mode these
// are only the accounts that the server has loaded.
func (c *Cluster) AccountNames(ctx context.Context, servers []Server) (map[string][]string, error) {
	all := map[string][]string{}
	err := c.requestEach(ctx, subjectAccount, nil, servers, func(s Server, data json.RawMessage) {
		var list struct {
			Accounts []string `json:"accounts"`
		}
		if json.Unmarshal(data, &list) == nil {
			all[s.ID] = list.Accounts
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts of the servers: %w", err)
	}
	return all, nil
}

// Leafs returns the leaf node connections of the servers, by server ID.
func (c *Cluster) Leafs(ctx context.Context, servers []Server) (map[string][]Leaf, error) {
	all := map[string][]Leaf{}
	err := c.requestEach(ctx, subjectLeafz, nil, servers, func(s Server, data json.RawMessage) {
		var list struct {
			Leafs []Leaf `json:"leafs"`
		}
		if json.Unmarshal(data, &list) == nil {
			all[s.ID] = list.Leafs
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list leaf nodes of the servers: %w", err)
	}
	return all, nil
}
