// Package accountconn keeps usher's own connections into the accounts of projects, one for
// each account, for all who need one. usher connects as any client does: it presents a token
// that its own auth callout verifies (package tokens/service), a new one on every connect.
//
// It promises that an account that does not answer keeps nobody else waiting, that a
// connection heals for ever once it was made, and that one that nobody uses is closed. It
// sends nothing over them itself.
package accountconn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors of a Pool.
var (
	// ErrDenied: usher refuses itself the account, or the servers refuse what it granted.
	// Waiting does not help: no project lives there, or there is no signing key for it.
	ErrDenied = errors.New("usher may not connect into the account")
	// ErrUnavailable: there is no connection now. Trying again may help.
	ErrUnavailable = errors.New("there is no connection into the account now")
	// ErrClosed: the Pool is closed.
	ErrClosed = errors.New("the connections into the accounts of projects are closed")
)

// Pool has the connections. It is safe for concurrent use.
type Pool struct {
	cfg  Config
	ctx  context.Context //nolint:containedctx // ends with the Pool: attempts outlive their callers
	stop context.CancelFunc

	mu       sync.Mutex
	accounts map[string]*entry
	signers  signers
	running  sync.WaitGroup
}

// entry is the connection into one account.
type entry struct {
	account string
	conn    *nats.Conn // nil: none
	js      jetstream.JetStream
	trying  *attempt // nil: nobody tries to connect
	refused *attempt // the last one was denied; for refusedFor it stands
	until   time.Time

	used    time.Time // when it was last asked for, or had traffic
	traffic uint64

	rekeyAt time.Time // when to connect again because of another signing key; zero: never

	failure lastError
}

// attempt is one try to connect, for which all callers wait.
type attempt struct {
	done chan struct{}
	err  error // once done is closed
}

// New returns a Pool without connections. Close it.
func New(cfg Config) (*Pool, error) { //nolint:gocritic // once
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	keyring := cfg.Keyring()
	p := &Pool{cfg: cfg, accounts: map[string]*entry{}, signers: signers{keyring: keyring, active: activeSigners(keyring)}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.running.Go(p.lookAfter)
	return p, nil
}

// Close closes all connections. Who waits for one gets ErrClosed.
func (p *Pool) Close() {
	p.mu.Lock()
	p.stop()
	var conns []*nats.Conn
	for _, e := range p.accounts {
		if e.conn != nil {
			conns = append(conns, e.conn)
		}
	}
	p.mu.Unlock()
	for _, nc := range conns {
		nc.Close()
	}
	p.running.Wait()
}

// JetStream returns JetStream of an account, over the connection of Conn.
func (p *Pool) JetStream(ctx context.Context, account string) (jetstream.JetStream, error) {
	e, err := p.connected(ctx, account)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.js, nil
}

// Conn returns the connection into an account, and waits for it until ctx ends. Ask again for
// each piece of work: a connection that nobody asks for and that carries nothing is closed
// after a while. Errors wrap ErrDenied, ErrUnavailable or ErrClosed.
func (p *Pool) Conn(ctx context.Context, account string) (*nats.Conn, error) {
	e, err := p.connected(ctx, account)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.conn, nil
}

func (p *Pool) connected(ctx context.Context, account string) (*entry, error) {
	for {
		e, a, nc, err := p.find(account)
		switch {
		case err != nil:
			return nil, failed(account, err)
		case a != nil:
			if err := p.wait(ctx, a.done, e); err != nil {
				return nil, err
			}
			if a.err != nil {
				return nil, failed(account, a.err)
			}
		case nc.IsConnected():
			return e, nil
		default:
			if err := p.waitReconnected(ctx, nc, e); err != nil {
				return nil, err
			}
		}
	}
}

// find returns the attempt to wait for or, without one, the connection.
func (p *Pool) find(account string) (*entry, *attempt, *nats.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return nil, nil, nil, ErrClosed
	}
	now := p.cfg.Now()
	e := p.accounts[account]
	if e == nil {
		e = &entry{account: account}
		if !p.signers.changed.IsZero() && now.Sub(p.signers.changed) < settled {
			e.rekeyAt = p.signers.changed.Add(settled)
		}
		p.accounts[account] = e
	}
	e.used = now
	switch {
	case e.conn != nil && !e.conn.IsClosed():
		return e, nil, e.conn, nil
	case e.trying != nil:
		return e, e.trying, nil, nil
	case e.refused != nil && now.Before(e.until):
		return e, nil, nil, e.refused.err
	}
	e.conn, e.js, e.refused = nil, nil, nil
	a := &attempt{done: make(chan struct{})}
	e.trying = a
	p.running.Go(func() { p.try(e, a) })
	return e, a, nil, nil
}

// wait waits until done is closed.
func (p *Pool) wait(ctx context.Context, done <-chan struct{}, e *entry) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return failed(e.account, unavailable(e.failure.or(ctx.Err())))
	case <-p.ctx.Done():
		return failed(e.account, ErrClosed)
	}
}

// waitReconnected waits until a connection that was lost is there again, or is closed.
func (p *Pool) waitReconnected(ctx context.Context, nc *nats.Conn, e *entry) error {
	changed := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	if nc.IsConnected() || nc.IsClosed() {
		return nil
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return failed(e.account, unavailable(e.failure.or(ctx.Err())))
	case <-p.ctx.Done():
		return failed(e.account, ErrClosed)
	}
}

func failed(account string, err error) error { return fmt.Errorf("account %q: %w", account, err) }
