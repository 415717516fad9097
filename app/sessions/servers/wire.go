package servers

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nkeys"

	"usher/issuer/operator"
)

// serverInfo says which server an event or an answer is of (nats-server, events.go).
type serverInfo struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// event is a CONNECT, DISCONNECT or CLIENT.AUTH.ERR event.
type event struct {
	Time   time.Time  `json:"timestamp"`
	Server serverInfo `json:"server"`
	Client client     `json:"client"`
	Reason string     `json:"reason"`
}

// client is the connection that an event is about.
type client struct {
	ID        uint64    `json:"id"`
	Start     time.Time `json:"start"`
	Host      string    `json:"host"`
	Account   string    `json:"acc"`
	User      string    `json:"user"`
	Name      string    `json:"name"`
	Lang      string    `json:"lang"`
	Version   string    `json:"ver"`
	JWT       string    `json:"jwt"`
	IssuerKey string    `json:"issuer_key"`
	Kind      string    `json:"kind"`
	Type      string    `json:"client_type"`
}

// connInfo is a connection in the list of a server (CONNZ; nats-server, monitor.go).
type connInfo struct {
	CID          uint64    `json:"cid"`
	Kind         string    `json:"kind"`
	Type         string    `json:"type"`
	IP           string    `json:"ip"`
	Start        time.Time `json:"start"`
	LastActivity time.Time `json:"last_activity"`
	RTT          string    `json:"rtt"`
	Pending      int       `json:"pending_bytes"`
	InMsgs       int64     `json:"in_msgs"`
	OutMsgs      int64     `json:"out_msgs"`
	InBytes      int64     `json:"in_bytes"`
	OutBytes     int64     `json:"out_bytes"`
	NumSubs      uint32    `json:"subscriptions"`
	Subs         []string  `json:"subscriptions_list"`
	Name         string    `json:"name"`
	Lang         string    `json:"lang"`
	Version      string    `json:"version"`
	User         string    `json:"authorized_user"`
	Account      string    `json:"account"` // left out for $G
	JWT          string    `json:"jwt"`
	IssuerKey    string    `json:"issuer_key"`
	MQTTClient   string    `json:"mqtt_client"`
	TLSVersion   string    `json:"tls_version"`
}

// client returns the connection as an event describes it.
func (c *connInfo) client() *client {
	account := c.Account
	if account == "" {
		account = globalAccount
	}
	return &client{
		ID: c.CID, Start: c.Start, Host: c.IP, Account: account, User: c.User, Name: c.Name, Lang: c.Lang,
		Version: c.Version, JWT: c.JWT, IssuerKey: c.IssuerKey, Kind: c.Kind, Type: c.Type,
	}
}

// globalAccount is where connections are until they have been authorized.
const globalAccount = "$G"

type connz struct {
	Now         time.Time  `json:"now"`
	Total       int        `json:"total"`
	Connections []connInfo `json:"connections"`
}

type connzRequest struct {
	Auth          bool   `json:"auth"`
	Sort          string `json:"sort,omitempty"`
	Offset        int    `json:"offset,omitempty"`
	Limit         int    `json:"limit,omitempty"`
	CID           uint64 `json:"cid,omitempty"`
	Subscriptions bool   `json:"subscriptions,omitempty"`
}

type kickRequest struct {
	CID uint64 `json:"cid"`
}

// accountCounts has how many connections each account has on a server; those without are
// left out.
type accountCounts struct {
	Accounts []struct {
		Account string `json:"acc"`
		Total   int    `json:"total_conns"` // clients and leaf nodes
	} `json:"account_statz"`
}

// answer is what a server answers.
type answer[T any] struct {
	Server serverInfo       `json:"server"`
	Data   T                `json:"data"`
	Error  *json.RawMessage `json:"error"`
}

func subjectConnz(server string) string { return fmt.Sprintf(operator.SubjectConnz, server) }

func subjectKick(server string) string { return fmt.Sprintf(operator.SubjectKick, server) }

// byCallout reports whether a connection came by auth callout. A server clears the user JWT
// and the nkey that such a client presented, and names as its user what usher has named. A
// user of a configuration file has no issuer, or is an nkey; a user JWT of another one is
// shown. A connection that is not authorized yet has no issuer: its user is what it claims.
func (c *client) byCallout() bool {
	return c.IssuerKey != "" && c.JWT == "" && !nkeys.IsValidPublicUserKey(c.User)
}
