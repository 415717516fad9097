package callout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	accountTimeout = time.Second // for the server to say which account a connection is in
	accountTries   = 5           // of a server that is slow to say
)

var errUnchecked = errors.New("it is not known yet which account the connection is in")

// confirm waits for the server to have taken the subscription: until then,
// whoever asks finds nobody, and times out.
func (c *conn) confirm(nc *nats.Conn) {
	c.stands.Store(nc.IsConnected() && nc.FlushTimeout(confirmTimeout) == nil)
}

func (c *conn) connected(log *slog.Logger, nc *nats.Conn, account, msg string) {
	c.refused.Store(nil)
	c.place(log, nc, account)
	c.confirm(nc)
	log.LogAttrs(context.Background(), slog.LevelInfo, "service connection", slog.String("state", msg),
		slog.String("url", nc.ConnectedUrlRedacted()), slog.String("server_name", nc.ConnectedServerName()))
}

// place looks where the server has put the service. Anywhere but in the account
// that the policy keeps clients out of, nothing may be answered: the policy
// would keep them out of the wrong one.
func (c *conn) place(log *slog.Logger, nc *nats.Conn, account string) {
	ctx := context.Background()
	actual, err := askAccount(ctx, nc)
	if err != nil && !nc.IsConnected() {
		return // the next connection will tell
	}
	defer c.placing.Do(func() { close(c.placed) })
	switch {
	case err != nil: // its permissions may not let it ask
		log.LogAttrs(ctx, slog.LevelWarn, "the server does not say which account the service is in", slog.String("error", err.Error()))
		c.misplaced.Store(nil)
	case actual != account:
		err := fmt.Errorf("the service user is in account %q, the configuration says %q", actual, account)
		c.misplaced.Store(&err)
		log.LogAttrs(ctx, slog.LevelError, "nothing is answered", slog.String("error", err.Error()))
	default:
		c.misplaced.Store(nil)
	}
}

// askAccount asks again while the server is slow: one that has no time for us now must
// not pass for one that we may not ask, or nobody would ever know where we are. That
// one says that it refuses.
func askAccount(ctx context.Context, nc *nats.Conn) (account string, err error) {
	for range accountTries {
		account, err = accountWithin(ctx, nc, accountTimeout)
		if !errors.Is(err, context.DeadlineExceeded) || !nc.IsConnected() || errors.Is(nc.LastError(), nats.ErrPermissionViolation) {
			break
		}
	}
	return account, err
}

func accountWithin(ctx context.Context, nc *nats.Conn, d time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return AccountOf(ctx, nc)
}

func disconnected(log *slog.Logger, err error) {
	if err == nil {
		return // closed by us
	}
	log.LogAttrs(context.Background(), slog.LevelWarn, "service connection",
		slog.String("state", "disconnected"), slog.String("error", err.Error()))
}

func (c *conn) failed(log *slog.Logger, err error) {
	// nats.go names the subject of a violation in its text only.
	if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), Subject) {
		c.refused.Store(&err)
	}
	log.LogAttrs(context.Background(), slog.LevelError, "service connection",
		slog.String("state", "error"), slog.String("error", err.Error()))
}

// ready returns nil if requests can come in on this connection.
func (c *conn) ready() error {
	if !c.nc.IsConnected() {
		return fmt.Errorf("not connected to NATS: %s", c.nc.Status())
	}
	if err := c.refused.Load(); err != nil {
		return fmt.Errorf("subscription refused: %w", *err)
	}
	if err := c.misplaced.Load(); err != nil {
		return *err
	}
	if !c.stands.Load() {
		return errors.New("the subscription is not confirmed yet")
	}
	return nil
}

// mend makes connections again that are up and of no use.
func (s *Service) mend() {
	for _, c := range s.conns {
		if c.nc.IsConnected() && (c.refused.Load() != nil || c.misplaced.Load() != nil) {
			_ = c.nc.ForceReconnect() // the error is that it was closed
		}
	}
}
