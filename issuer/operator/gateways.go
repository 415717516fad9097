package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Gatewayz is the part of a server's GATEWAYZ response that usher uses (nats-server,
// monitor.go).
type Gatewayz struct {
	Name     string                   `json:"name"`              // empty: the server has no gateway
	Now      time.Time                `json:"now"`               // the server's clock
	Outbound map[string]*GatewayLink  `json:"outbound_gateways"` // by name of the remote gateway
	Inbound  map[string][]GatewayLink `json:"inbound_gateways"`  // as Outbound
}

// GatewayLink is a connection between two gateways.
type GatewayLink struct {
	Configured bool `json:"configured"` // outbound: in the configuration, and not learned from another gateway
	Connection struct {
		Server     string    `json:"name"` // ID of the remote server
		IP         string    `json:"ip"`
		Port       int       `json:"port"`
		Start      time.Time `json:"start"`
		RTT        string    `json:"rtt"`         // such as "1.2ms"; 0s: not measured yet
		TLSVersion string    `json:"tls_version"` // such as "1.3"; empty: no TLS
	} `json:"connection"`
	Accounts []struct {
		Name          string `json:"name"`
		InterestMode  string `json:"interest_mode"`
		Subscriptions int    `json:"num_subs"` // of the remote side
	} `json:"accounts"`
}

// InterestOnly is the InterestMode in which a server sends a message over a gateway only
// if the remote side has a subscription for it.
const InterestOnly = "Interest-Only"

// Subscription is a subscription of a client.
type Subscription struct {
	Account string `json:"account"`
	Subject string `json:"subject"`
	Queue   string `json:"qgroup"`
}

// NotPermittedError reports that the system user may not send a request.
type NotPermittedError struct{ Subject string }

// Error implements error.
func (e *NotPermittedError) Error() string {
	return "the system user may not publish to " + e.Subject
}

// Gatewayz returns the GATEWAYZ responses of the servers, by server ID, with their interest
// in an account. *NotPermittedError: the system user may not ask.
func (c *Cluster) Gatewayz(ctx context.Context, account string, servers []Server) (map[string]*Gatewayz, error) {
	all := map[string]*Gatewayz{}
	err := c.requestPermitted(ctx, subjectGatewayz, map[string]any{"account_name": account}, servers, func(s Server, data json.RawMessage) {
		g := &Gatewayz{}
		if json.Unmarshal(data, g) == nil {
			all[s.ID] = g
		}
	})
	if err != nil {
		return nil, fmt.Errorf("request GATEWAYZ of the servers: %w", err)
	}
	return all, nil
}

// maxSubscribers is the number of subscriptions that each server lists.
const maxSubscribers = 100

// Subscribers returns the subscriptions of clients of each server that get a message of an
// account with this subject, by server ID. *NotPermittedError: the system user may not ask.
func (c *Cluster) Subscribers(ctx context.Context, account, subject string, servers []Server) (map[string][]Subscription, error) {
	all := map[string][]Subscription{}
	body := map[string]any{"subscriptions": true, "account": account, "test": subject, "limit": maxSubscribers}
	err := c.requestPermitted(ctx, subjectSubsz, body, servers, func(s Server, data json.RawMessage) {
		var list struct {
			Subscriptions []Subscription `json:"subscriptions_list"`
		}
		if json.Unmarshal(data, &list) == nil {
			all[s.ID] = list.Subscriptions
		}
	})
	if err != nil {
		return nil, fmt.Errorf("request SUBSZ of the servers: %w", err)
	}
	return all, nil
}

// requestPermitted is requestEach for a subject that the system user of an older
// installation may not publish to.
func (c *Cluster) requestPermitted(ctx context.Context, subject string, body any, servers []Server, handle func(s Server, data json.RawMessage)) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	// Nobody subscribes to the reply, so only the refusal comes back, before the PONG.
	before := c.nc.LastError()
	if err := c.nc.PublishRequest(subject, c.nc.NewInbox(), text); err != nil {
		return err
	}
	if err := c.nc.FlushTimeout(c.wait); err != nil {
		return err
	}
	if last := c.nc.LastError(); last != before && errors.Is(last, nats.ErrPermissionViolation) { //nolint:errorlint // whether it is the same error value
		return &NotPermittedError{Subject: subject}
	}
	return c.requestEach(ctx, subject, text, servers, handle)
}

// Shares returns the exports and imports of an account on each server, by server ID, such
// as "imports service a.b from B", sorted. A server without the account is left out.
func (c *Cluster) Shares(ctx context.Context, account string, servers []Server) (map[string][]string, error) {
	all := map[string][]string{}
	err := c.requestPermitted(ctx, subjectAccount, map[string]any{"account": account}, servers, func(s Server, data json.RawMessage) {
		var answer struct {
			Account *struct {
				Imports []accountShare `json:"imports"`
				Exports []accountShare `json:"exports"`
			} `json:"account_detail"`
		}
		if json.Unmarshal(data, &answer) != nil || answer.Account == nil {
			return
		}
		lines := []string{}
		for _, x := range answer.Account.Imports {
			lines = append(lines, fmt.Sprintf("imports %s %s from %s", x.Type, x.Subject, x.Account))
		}
		for _, x := range answer.Account.Exports {
			slices.Sort(x.Accounts)
			lines = append(lines, fmt.Sprintf("exports %s %s to %s", x.Type, x.Subject, strings.Join(x.Accounts, ", ")))
		}
		slices.Sort(lines)
		all[s.ID] = lines
	})
	if err != nil {
		return nil, fmt.Errorf("request the account of the servers: %w", err)
	}
	return all, nil
}

// accountShare is an import or export in an ACCOUNTZ response.
type accountShare struct {
	Subject  string   `json:"subject"`
	Type     string   `json:"type"`
	Account  string   `json:"account"`           // of an import
	Accounts []string `json:"approved_accounts"` // of an export
}
