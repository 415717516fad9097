package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Subjects of the system account.
const (
	subjectPing     = "$SYS.REQ.SERVER.PING"
	subjectAccount  = "$SYS.REQ.SERVER.PING.ACCOUNTZ"
	subjectVarz     = "$SYS.REQ.SERVER.PING.VARZ"
	subjectLeafz    = "$SYS.REQ.SERVER.PING.LEAFZ"
	subjectJsz      = "$SYS.REQ.SERVER.PING.JSZ"
	subjectGatewayz = "$SYS.REQ.SERVER.PING.GATEWAYZ"
	subjectSubsz    = "$SYS.REQ.SERVER.PING.SUBSZ"
	subjectUpdate   = "$SYS.REQ.CLAIMS.UPDATE"
	subjectLookup   = "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP"
	connectionsPage = 1024
)

// MonitoringSubjects lists the subjects to which "usher check" publishes as a user of the system
// account. All of them only read.
func MonitoringSubjects() []string {
	return []string{subjectPing, subjectVarz, subjectAccount, subjectLeafz, subjectJsz, subjectGatewayz, subjectSubsz}
}

// DefaultTimeout is the default timeout of a request to the servers. It is long, so that a busy
// server is not mistaken for a stopped one. A request ends earlier if all servers answer.
const DefaultTimeout = 5 * time.Second

// ErrNoServer: no server answers on the system account.
var ErrNoServer = errors.New("no server answers: is this a user of the system account?")

// Cluster is every server that a connection of the system account reaches: a cluster or
// a super-cluster.
type Cluster struct {
	nc   *nats.Conn
	wait time.Duration

	mu     sync.Mutex
	trusts map[string][]string // trusted signers of account JWTs, by server ID
}

// NewCluster returns the Cluster behind a connection of the system account. wait is the
// timeout of each request; zero: DefaultTimeout.
func NewCluster(nc *nats.Conn, wait time.Duration) *Cluster {
	if wait == 0 {
		wait = DefaultTimeout
	}
	return &Cluster{nc: nc, wait: wait, trusts: map[string][]string{}}
}

// Server identifies a server.
type Server struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// envelope is the common form of the responses of servers.
type envelope struct {
	Server Server          `json:"server"`
	Data   json.RawMessage `json:"data"`
	Error  *apiError       `json:"error"`
}

type apiError struct {
	Code        int    `json:"code"`
	Description string `json:"description"`
}

// quiet is how long to wait for further responses after the expected number of servers
// has answered: the other servers do not count a server that has just joined.
const quiet = 250 * time.Millisecond

// Servers returns every server, sorted by name. Each server reports how many there are.
// *MissingServersError: fewer have answered.
func (c *Cluster) Servers(ctx context.Context) ([]Server, error) {
	var servers []Server
	active := 1
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	settled := time.AfterFunc(c.wait, cancel)
	defer settled.Stop()
	err := c.request(ctx, subjectPing, nil, func(m *nats.Msg) (bool, error) {
		var answer struct {
			Server Server `json:"server"`
			Statsz struct {
				Active int `json:"active_servers"`
			} `json:"statsz"`
		}
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			return false, fmt.Errorf("statsz: %w", err)
		}
		active = max(active, answer.Statsz.Active)
		if !slices.Contains(servers, answer.Server) {
			servers = append(servers, answer.Server)
		}
		if len(servers) >= active {
			settled.Reset(quiet)
		}
		return false, nil
	})
	if err != nil && (!errors.Is(err, context.Canceled) || len(servers) == 0) {
		return nil, fmt.Errorf("list servers: %w", err)
	}
	slices.SortFunc(servers, func(a, b Server) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	switch {
	case len(servers) == 0:
		return nil, ErrNoServer
	case len(servers) < active:
		return nil, &MissingServersError{Have: servers, Of: active}
	}
	return servers, nil
}

// MissingServersError reports that fewer servers have answered than there are. A crashed
// server is counted for some minutes.
type MissingServersError struct {
	Have []Server // that have answered
	Of   int      // how many there are
}

// Error implements error.
func (e *MissingServersError) Error() string {
	return fmt.Sprintf("%d of %d servers answer: %s", len(e.Have), e.Of, Names(e.Have))
}

// Names returns the names of servers, such as "n1, n2".
func Names(servers []Server) string {
	names := make([]string, len(servers))
	for i, s := range servers {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

// request publishes a request that several servers answer. It calls handle for each
// response until handle returns done or the timeout has passed.
func (c *Cluster) request(ctx context.Context, subject string, body []byte, handle func(*nats.Msg) (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe() //nolint:errcheck // nothing depends on it
	if err := c.nc.PublishRequest(subject, inbox, body); err != nil {
		return err
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, context.DeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		if done, err := handle(m); done || err != nil {
			return err
		}
	}
}

// LoadedJWT is the JWT that one server uses for an account.
type LoadedJWT struct {
	Server  Server
	JWT     string // empty: the server has not loaded the account
	Expired bool
}

// LoadedJWTs returns the JWT that each server uses for an account.
func (c *Cluster) LoadedJWTs(ctx context.Context, account string, servers []Server) ([]LoadedJWT, error) {
	body, err := json.Marshal(map[string]string{"account": account})
	if err != nil {
		return nil, fmt.Errorf("look up account: %w", err)
	}
	found := map[string]LoadedJWT{}
	err = c.request(ctx, subjectAccount, body, func(m *nats.Msg) (bool, error) {
		var e envelope
		var data struct {
			Account *struct {
				JWT     string `json:"jwt"`
				Expired bool   `json:"expired"`
			} `json:"account_detail"`
		}
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return false, fmt.Errorf("accountz: %w", err)
		}
		in := LoadedJWT{Server: e.Server}
		if e.Error == nil && json.Unmarshal(e.Data, &data) == nil && data.Account != nil {
			in.JWT, in.Expired = data.Account.JWT, data.Account.Expired
		}
		found[e.Server.ID] = in
		return len(found) >= len(servers), nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up account: %w", err)
	}
	out := make([]LoadedJWT, 0, len(servers))
	for _, s := range servers {
		in, ok := found[s.ID]
		if !ok {
			return nil, fmt.Errorf("server %s does not report which JWT of the account it uses", s.Name)
		}
		out = append(out, in)
	}
	return out, nil
}

// Stored returns the JWTs of an account that the resolvers of the servers have stored,
// one for each resolver that answers. The responses do not name their server.
func (c *Cluster) Stored(ctx context.Context, account string, servers []Server) ([]string, error) {
	var stored []string
	n := 0
	err := c.request(ctx, fmt.Sprintf(subjectLookup, account), nil, func(m *nats.Msg) (bool, error) {
		if len(m.Data) > 0 {
			stored = append(stored, string(m.Data))
		}
		n++
		return n >= len(servers), nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up account: %w", err)
	}
	return stored, nil
}

// Connections counts the client connections of an account by the key that signed their
// user JWT: a signing key, or the account's own key.
func (c *Cluster) Connections(ctx context.Context, account string, servers []Server) (map[string]int, error) {
	counts := map[string]int{}
	for _, s := range servers {
		for offset := 0; ; offset += connectionsPage {
			n, err := c.connections(ctx, s, account, offset, counts)
			if err != nil {
				return nil, fmt.Errorf("list connections of %s: %w", s.Name, err)
			}
			if n < connectionsPage {
				break
			}
		}
	}
	return counts, nil
}

func (c *Cluster) connections(ctx context.Context, s Server, account string, offset int, counts map[string]int) (int, error) {
	body, err := json.Marshal(map[string]any{"auth": true, "acc": account, "offset": offset, "limit": connectionsPage})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	m, err := c.nc.RequestWithContext(ctx, fmt.Sprintf(SubjectConnz, s.ID), body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Data struct {
			Conns []struct {
				IssuerKey string `json:"issuer_key"`
			} `json:"connections"`
		} `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, err
	}
	for _, conn := range answer.Data.Conns {
		counts[conn.IssuerKey]++
	}
	return len(answer.Data.Conns), nil
}
