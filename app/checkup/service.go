package checkup

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"usher/internal/plural"
	"usher/internal/shellword"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const (
	// pingSubject is where every service connection of usher answers (ADR-32).
	pingSubject  = "$SRV.PING.usher"
	pingCollect  = 300 * time.Millisecond // how long one ping collects answers
	serviceWait  = 2 * time.Second        // for an usher that has just started
	pingInterval = 100 * time.Millisecond
)

// services counts the connections of ushers in the callout account. Connections of one
// usher and of several look the same.
func (s *serverCheck) services(ctx context.Context, nc *nats.Conn) {
	before := nc.LastError()
	n, err := waitForConnections(ctx, nc)
	if last := nc.LastError(); err == nil && last != before && errors.Is(last, nats.ErrPermissionViolation) { //nolint:errorlint // whether it is the same error value
		err = last
	}
	switch {
	case err != nil:
		s.Warn("service", s.url, "the service user must be allowed to publish to $SRV.>, and to subscribe to _INBOX.>", "cannot ask which ushers run: %v", err)
	case n == 0:
		s.Warn("service", s.url, "usher serve -c "+shellword.Quote(s.path), "no usher answers")
	default:
		s.OK("service", s.url, "%s of usher in %s; each usher with this configuration opens %d",
			plural.Count(n, "connection"), s.cfg.Accounts.Callout, s.cfg.NATS.Connections)
	}
}

// waitForConnections returns the number of service connections. It waits up to serviceWait
// for the first.
func waitForConnections(ctx context.Context, nc *nats.Conn) (int, error) {
	deadline, stop := context.WithTimeout(ctx, serviceWait)
	defer stop()
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		n, err := countConnections(ctx, nc)
		if n > 0 || err != nil || nc.LastError() != nil {
			return n, err
		}
		select {
		case <-tick.C:
		case <-deadline.Done():
			return 0, ctx.Err()
		}
	}
}

// countConnections returns the number of service connections that answer a ping.
func countConnections(ctx context.Context, nc *nats.Conn) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, pingCollect)
	defer cancel()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is closed soon
	if err := nc.PublishRequest(pingSubject, inbox, nil); err != nil {
		return 0, err
	}
	ids := map[string]bool{}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, context.DeadlineExceeded):
			return len(ids), nil
		case err != nil:
			return 0, err
		}
		var pong micro.Ping
		if json.Unmarshal(m.Data, &pong) == nil && pong.Type == micro.PingResponseType {
			ids[pong.ID] = true
		}
	}
}
