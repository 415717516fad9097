package accountconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/permissions"
	"usher/tokens/service"
)

const (
	dialLimit  = 4 * time.Second // for TCP, TLS and the decision about the token
	signLimit  = 5 * time.Second // for a token that a program signs
	retryWait  = 250 * time.Millisecond
	denials    = 4 // after which a first connection is denied: a replica may not have a new project yet
	unanswered = 1500 * time.Millisecond
	refusedFor = time.Second // for which a denial stands
	reconnect  = 500 * time.Millisecond
	ping       = 10 * time.Second // a server that does not answer two of them is gone
)

// try makes the first connection into an account, or the first one after an idle time.
func (p *Pool) try(e *entry, a *attempt) {
	ctx, cancel := context.WithTimeout(p.ctx, p.cfg.Attempt)
	defer cancel()
	conn, js, err := p.connect(ctx, e)
	p.mu.Lock()
	e.trying, a.err = nil, err
	switch {
	case err == nil && p.ctx.Err() != nil: // closed meanwhile
		a.err = ErrClosed
		conn.Close()
	case err == nil:
		e.conn, e.js, e.traffic = conn, js, 0
		if !p.cfg.Now().Before(e.rekeyAt) {
			e.rekeyAt = time.Time{}
		}
	case errors.Is(err, ErrDenied):
		e.refused, e.until = a, p.cfg.Now().Add(refusedFor)
	}
	p.mu.Unlock()
	close(a.done)
}

// connect tries until ctx ends, or usher denies itself.
func (p *Pool) connect(ctx context.Context, e *entry) (*nats.Conn, jetstream.JetStream, error) {
	denied := 0
	for {
		began := p.cfg.Now()
		nc, err := nats.Connect(p.cfg.URLs, p.options(e)...)
		if err == nil {
			e.failure.set(nil)
			js, err := jetstream.New(nc)
			if err != nil {
				nc.Close()
				return nil, nil, err
			}
			p.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "connected into the account of a project", slog.String("account", e.account))
			return nc, js, nil
		}
		if signing := e.failure.ofToken(); signing != nil {
			err = signing
		}
		e.failure.set(err)
		p.cfg.Failed(e.account, err)
		// A server that got no answer says the same as for a denial, but only after a while.
		if errors.Is(err, nats.ErrAuthorization) && p.cfg.Now().Sub(began) < unanswered {
			denied++
		}
		if denied >= denials {
			return nil, nil, fmt.Errorf("%w: %w", ErrDenied, err)
		}
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return nil, nil, unavailable(err)
		}
	}
}

func (p *Pool) options(e *entry) []nats.Option {
	opts := append([]nats.Option{}, p.cfg.Options...)
	return append(opts,
		nats.Name("usher in account "+e.account),
		nats.TokenHandler(func() string { return p.token(e) }),
		nats.CustomInboxPrefix(permissions.InboxPrefix(service.UserName)),
		nats.IgnoreDiscoveredServers(), // the token is for the configured servers only
		nats.IgnoreAuthErrorAbort(),    // the token is another one each time
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnect), nats.ReconnectJitter(reconnect, reconnect),
		nats.ReconnectBufSize(-1), // who publishes meanwhile is told at once
		nats.Timeout(dialLimit), nats.PingInterval(ping),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			e.failure.set(err)
			p.cfg.Failed(e.account, err)
		}),
		nats.ReconnectHandler(func(*nats.Conn) { e.failure.set(nil) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			p.cfg.Log.LogAttrs(context.Background(), slog.LevelDebug, "connection into the account of a project",
				slog.String("account", e.account), slog.String("error", err.Error()))
		}),
	)
}

// token returns a new token; empty: there is none, and usher denies itself.
func (p *Pool) token(e *entry) string {
	ctx, cancel := context.WithTimeout(p.ctx, signLimit)
	defer cancel()
	token, err := service.NewFor(ctx, p.cfg.Keyring().Oldest(), p.cfg.Random, p.cfg.Now().Add(p.cfg.Lifetime), e.account)
	e.failure.setToken(err)
	return token
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

// lastError is why the last attempt failed.
type lastError struct {
	mu         sync.Mutex
	err, token error
}

func (l *lastError) set(err error) {
	l.mu.Lock()
	l.err = err
	l.mu.Unlock()
}

func (l *lastError) setToken(err error) {
	l.mu.Lock()
	l.token = err
	l.mu.Unlock()
}

func (l *lastError) ofToken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.token
}

// or returns the last error with another one, which says why nobody waits any longer.
func (l *lastError) or(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", err, l.err)
}
