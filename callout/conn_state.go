package callout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go"

	accounts "usher/callout/account"
)

var errAccountUnknown = errors.New("the account of the service connection is not known yet")

// confirmSubscription waits until the server has processed the subscription.
// Before that, requests have no responder and time out.
func (c *conn) confirmSubscription(nc *nats.Conn) {
	c.subscribed.Store(nc.IsConnected() && nc.FlushTimeout(flushTimeout) == nil)
}

func (c *conn) connected(log *slog.Logger, nc *nats.Conn, account, state string) {
	c.subError.Store(nil)
	c.checkAccount(log, nc, account)
	c.confirmSubscription(nc)
	log.LogAttrs(context.Background(), slog.LevelInfo, "service connection", slog.String("state", state),
		slog.String("url", nc.ConnectedUrlRedacted()), slog.String("server_name", nc.ConnectedServerName()))
}

// checkAccount checks that the connection is in the callout account. In any other
// account no request may be answered: the policy keeps clients out of the callout
// account only, so it would let them into the account of the service.
func (c *conn) checkAccount(log *slog.Logger, nc *nats.Conn, account string) {
	ctx := context.Background()
	actual, err := accounts.Query(ctx, nc)
	if err != nil && !nc.IsConnected() {
		return // the next connect checks again
	}
	defer c.accountOnce.Do(func() { close(c.accountKnown) })
	switch {
	case err != nil: // the permissions of the service user may forbid the request
		log.LogAttrs(ctx, slog.LevelWarn, "cannot determine the account of the service connection", slog.String("error", err.Error()))
		c.accountError.Store(nil)
	case actual != account:
		err := fmt.Errorf("the service user is in account %q, the configuration says %q", actual, account)
		c.accountError.Store(&err)
		log.LogAttrs(ctx, slog.LevelError, "not answering requests", slog.String("error", err.Error()))
	default:
		c.accountError.Store(nil)
	}
}

func disconnected(log *slog.Logger, err error) {
	if err == nil {
		return // closed by the service
	}
	log.LogAttrs(context.Background(), slog.LevelWarn, "service connection",
		slog.String("state", "disconnected"), slog.String("error", err.Error()))
}

// asyncError handles errors that the server reports without a request.
func (c *conn) asyncError(log *slog.Logger, err error) {
	// The subject of a violation is only in the text of nats.go's error.
	if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), Subject) {
		c.subError.Store(&err)
	}
	log.LogAttrs(context.Background(), slog.LevelError, "service connection",
		slog.String("state", "error"), slog.String("error", err.Error()))
}

// ready returns nil if requests can arrive on this connection.
func (c *conn) ready() error {
	if !c.nc.IsConnected() {
		return fmt.Errorf("not connected to NATS: %s", c.nc.Status())
	}
	if err := c.subError.Load(); err != nil {
		return fmt.Errorf("subscription refused: %w", *err)
	}
	if err := c.accountError.Load(); err != nil {
		return *err
	}
	if !c.subscribed.Load() {
		return errors.New("the subscription is not confirmed yet")
	}
	return nil
}

// reconnectUnusable reconnects connections that are connected, and cannot answer
// requests.
func (s *Service) reconnectUnusable() {
	for _, c := range s.conns {
		if c.nc.IsConnected() && (c.subError.Load() != nil || c.accountError.Load() != nil) {
			_ = c.nc.ForceReconnect() // fails if the connection is closed
		}
	}
}
