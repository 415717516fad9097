package doctor

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/nats-io/nats.go"

	"usher/app/checkup/finding"
	"usher/app/checkup/operatormode"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/natsconn"
	"usher/issuer/operator"
)

// askServers returns what every server reports about itself (VARZ); nil: there is no system
// user, or it cannot connect, which is a finding of checkup.
func askServers(ctx context.Context, cfg *config.Config) []json.RawMessage {
	nc := connectAsSystem(cfg)
	if nc == nil {
		return nil
	}
	defer nc.Close()
	servers, err := operator.NewCluster(nc, 0).Servers(ctx)
	var missing *operator.MissingServersError
	if errors.As(err, &missing) {
		servers = missing.Have
	}
	if len(servers) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, operator.DefaultTimeout)
	defer cancel()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	if err := nc.PublishRequest("$SYS.REQ.SERVER.PING.VARZ", inbox, nil); err != nil {
		return nil
	}
	var all []json.RawMessage
	for range servers {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			break // as many as have answered
		}
		if json.Valid(m.Data) {
			all = append(all, m.Data)
		}
	}
	return all
}

// connectAsSystem connects as the system user; nil: it cannot.
func connectAsSystem(cfg *config.Config) *nats.Conn {
	if cfg.NATS.Mode == config.ModeOperator {
		if cfg.Operator.SystemCredsFile == "" {
			return nil
		}
		quiet := operatormode.Checker{List: &finding.List{}, Cfg: cfg} // checkup reports the same
		nc, err := quiet.ConnectSystem(cfg.Operator.SystemCredsFile)
		if err != nil {
			return nil
		}
		return nc
	}
	if cfg.NATS.SystemPasswordFile == "" && cfg.NATS.SystemNKeyFile == "" {
		return nil
	}
	opts, _, err := natsconn.SystemOptions(cfg)
	if err != nil {
		return nil
	}
	nc, err := nats.Connect(natsconn.URLs(cfg), append(opts, nats.Name("usher-doctor-system"), nats.Timeout(deployment.ConnectTimeout),
		nats.NoReconnect(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	if err != nil {
		return nil
	}
	return nc
}
