package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	accounts "usher/callout/account"
)

const (
	reconnectWait   = 250 * time.Millisecond
	accountTimeout  = time.Second
	accountAttempts = 5
)

// access says whether the connection may be used.
type access struct {
	mu  sync.Mutex
	ok  bool
	err error // why it may not
}

func (a *access) allowed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ok
}

func (a *access) set(ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ok, a.err = ok, err
}

func (a *access) problem() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// connect opens the connection. Nothing that a server does closes it for good.
func (x *Exchange) connect() error {
	opts := append([]nats.Option{
		nats.Name("usher sessions"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.ReconnectBufSize(-1), // what is lost is asked for
		nats.NoEcho(),
		nats.CustomInboxPrefix(subjectAnswers),
		nats.ConnectHandler(x.onConnect),
		nats.ReconnectHandler(x.onConnect),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			x.access.set(false, nil)
			if err != nil {
				x.warn("connection lost", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { x.warn("connection", err) }),
	}, x.cfg.Options...)
	nc, err := nats.Connect(x.cfg.URLs, opts...)
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	x.nc = nc
	x.all, err = nc.Subscribe(subjectAll, x.receive)
	if err == nil {
		_, err = nc.Subscribe(subjectTo+x.cfg.Instance, x.answer)
	}
	if err != nil {
		nc.Close()
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// onConnect checks that the connection is in the callout account. In any other one, others
// could read what is sent, and forge what arrives.
func (x *Exchange) onConnect(nc *nats.Conn) {
	ctx := context.Background()
	account, err := accountOf(ctx, nc)
	switch {
	case err != nil && !nc.IsConnected():
		return // the next connect checks again
	case err == nil && account != x.cfg.Account:
		err := fmt.Errorf("the service user is in account %q, the configuration says %q", account, x.cfg.Account)
		x.access.set(false, err)
		x.cfg.Log.LogAttrs(ctx, slog.LevelError, "not exchanging sessions", slog.String("error", err.Error()))
		return
	case err != nil: // its permissions may forbid the request, as those of the callout do
		x.warn("cannot determine the account of the connection", err)
	}
	x.access.set(true, nil)
	wake(x.connected)
	x.beatSoon()
}

func accountOf(ctx context.Context, nc *nats.Conn) (account string, err error) {
	for range accountAttempts {
		within, cancel := context.WithTimeout(ctx, accountTimeout)
		account, err = accounts.Of(within, nc)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !nc.IsConnected() || errors.Is(nc.LastError(), nats.ErrPermissionViolation) {
			break
		}
	}
	return account, err
}
