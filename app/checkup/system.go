package checkup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/nats-io/nats.go"

	"usher/app/checkup/finding"
	"usher/app/checkup/gateway"
	"usher/app/checkup/operatormode"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/natsconn"
	"usher/issuer"
	"usher/issuer/operator"
)

// systemView has what the servers report to a user of the system account: those of the
// cluster, of the supercluster, and leaf servers that share the system account.
type systemView struct {
	servers  []operator.Server
	varz     map[string]*operator.Varz    // by server ID; missing: the server does not report it
	accounts map[string][]string          // by server ID, as varz
	leafs    map[string][]operator.Leaf   // by the ID of the server that they are connected to
	streams  map[string][]operator.Stream // by account, in operator mode by its public key
	gateways *gateway.State               // nil: there are none
}

const systemCheck = "system user"

// checkSystem asks the servers about themselves; nil: it cannot. It reports why in config
// mode; in operator mode the resolver check does.
func checkSystem(ctx context.Context, f *finding.List, cfg *config.Config, keys *issuer.Keyring) *systemView {
	nc := connectAsSystem(f, cfg)
	if nc == nil {
		return nil
	}
	defer nc.Close()
	cluster := operator.NewCluster(nc, 0)
	v, err := systemViewOf(ctx, cluster)
	if v != nil {
		ingest := cfg.Accounts.Ingest
		if a, ok := keys.Account(ingest); ok {
			ingest = cmp.Or(a.PublicKey, ingest)
		}
		v.gateways = gateway.Ask(ctx, cluster, cfg, v.servers, v.varz, ingest, time.Now)
	}
	if cfg.NATS.Mode == config.ModeOperator {
		return v
	}
	var missing *operator.MissingServersError
	switch {
	case errors.As(err, &missing):
		f.Warn(systemCheck, natsconn.URLs(cfg), "start the missing servers; a crashed server is counted for some minutes", "%v: the others are not checked", err)
	case errors.Is(err, operator.ErrNoServer):
		f.Fail(fault.Config, systemCheck, natsconn.URLs(cfg), systemUserHint(cfg), "%v", err)
	case err != nil:
		f.Fail(fault.Runtime, systemCheck, natsconn.URLs(cfg), "run usher check again; if it fails again, look at the servers' logs", "%v", err)
	default:
		f.OK(systemCheck, natsconn.URLs(cfg), "%s: %s", plural.Count(len(v.servers), "server"), operator.Names(v.servers))
	}
	return v
}

// systemViewOf asks the servers of a cluster. With *operator.MissingServersError it also
// returns the view of those that answer.
func systemViewOf(ctx context.Context, c *operator.Cluster) (*systemView, error) {
	servers, incomplete := c.Servers(ctx)
	var missing *operator.MissingServersError
	if errors.As(incomplete, &missing) {
		servers = missing.Have
	} else if incomplete != nil {
		return nil, incomplete
	}
	v := &systemView{servers: servers}
	var err error
	if v.varz, err = c.Varz(ctx, servers); err != nil {
		return nil, err
	}
	if v.accounts, err = c.AccountNames(ctx, servers); err != nil {
		return nil, err
	}
	if v.leafs, err = c.Leafs(ctx, servers); err != nil {
		return nil, err
	}
	if v.streams, err = c.Streams(ctx, servers); err != nil {
		return nil, err
	}
	return v, incomplete
}

// connectAsSystem connects as the system user; nil: none is configured, or it cannot
// connect.
func connectAsSystem(f *finding.List, cfg *config.Config) *nats.Conn {
	if cfg.NATS.Mode == config.ModeOperator {
		quiet := &operatormode.Checker{List: &finding.List{}, Cfg: cfg} // the resolver check reports the same
		if cfg.Operator.SystemCredsFile == "" {
			return nil
		}
		nc, err := quiet.ConnectSystem(cfg.Operator.SystemCredsFile)
		if err != nil {
			return nil
		}
		return nc
	}
	if cfg.NATS.SystemPasswordFile == "" && cfg.NATS.SystemNKeyFile == "" {
		f.Warn(systemCheck, "", systemUserHint(cfg),
			"none is configured (nats.system_user): servers beyond nats.urls and their clusters, and the accounts of each server, cannot be checked")
		return nil
	}
	opts, file, err := natsconn.SystemOptions(cfg)
	if errors.Is(err, fs.ErrNotExist) {
		f.Warn(systemCheck, file, "run usher check on the machine that has it, for more checks; elsewhere remove the keys",
			"%v: the servers and their accounts cannot be checked from here", err)
		return nil
	}
	if err != nil {
		f.Failed(systemCheck, fault.InConfig(err))
		return nil
	}
	nc, err := nats.Connect(natsconn.URLs(cfg), append(opts, nats.Name("usher-check-system"), nats.Timeout(deployment.ConnectTimeout), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	switch {
	case err == nil:
		return nc
	case errors.Is(err, nats.ErrAuthorization), natsconn.AuthTimedOut(err):
		f.Fail(fault.Config, systemCheck, natsconn.URLs(cfg), systemUserHint(cfg), "the servers deny the system user: %v", err)
	case !errors.Is(err, nats.ErrNoServers) && !natsconn.TimedOut(err):
		f.Fail(fault.Config, systemCheck, natsconn.URLs(cfg), "nats.tls must match the server's certificate; set nats.tls.handshake_first if the server has handshake_first",
			"the server answers, but the system user cannot connect: %v", err)
	default:
		f.Fail(fault.Runtime, systemCheck, natsconn.URLs(cfg), "is nats-server running at this address?", "cannot connect as the system user: %v", err)
	}
	return nil
}

// systemUserHint says how to add a system user in config mode.
func systemUserHint(cfg *config.Config) string {
	return fmt.Sprintf("give %s in the servers' configuration a user that may publish %s and subscribe to _INBOX.>, name it in auth_callout.auth_users, and set nats.system_user and nats.system_password_file (docs/how-to/system-user.md)",
		cfg.Accounts.System, strings.Join(operator.MonitoringSubjects(), ", "))
}

// checkLeafServers lists the connected leaf nodes whose servers do not answer. They have
// another system account, and authorize their own clients.
func checkLeafServers(f *finding.List, v *systemView) {
	answered := map[string]bool{}
	for _, s := range v.servers {
		answered[s.Name] = true
	}
	var others []string
	for id, leafs := range v.leafs {
		hub := v.name(id)
		for _, l := range leafs {
			if !answered[l.Name] {
				others = append(others, fmt.Sprintf("%s (%s) at %s, in %s", l.Name, l.IP, hub, l.Account))
			}
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		f.OK("leaf node", "", "of servers with another system account, which authorize their own clients: %s", strings.Join(slices.Compact(others), "; "))
	}
}

// name returns the name of a server with an ID.
func (v *systemView) name(id string) string {
	for _, s := range v.servers {
		if s.ID == id {
			return s.Name
		}
	}
	return id
}

// decidesItself reports whether a server does not ask usher about its clients, by the
// configuration.
func (v *systemView) decidesItself(cfg *config.Config, id string) bool {
	z := v.varz[id]
	return z != nil && gateway.DecidesItself(cfg, z.Gateway.Name)
}
