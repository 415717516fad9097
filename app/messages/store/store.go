// Package store keeps the messages of projects in JetStream: publish, pull, acknowledge, and
// the positions of subscriptions. It implements Store of usher/api/messages.
//
// It promises that a message has been stored by JetStream when its id is returned, that a
// reader who goes away swallows no message, and that a publisher reaches none of the headers by
// which JetStream is told what to do. Names of streams, consumers and subjects come from the
// directory alone; on the way of publish, pull and acknowledge nothing is asked but what the
// call is about.
//
// It never makes or changes a stream, and of consumers only the position.
package store

import (
	"cmp"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
)

// Accounts are connections into accounts. They are shared, and stay open while they are used.
type Accounts interface {
	Conn(ctx context.Context, account string) (*nats.Conn, error)
	JetStream(ctx context.Context, account string) (jetstream.JetStream, error)
}

// Config configures a Store.
type Config struct {
	Accounts Accounts
	Now      func() time.Time
	// Timeout bounds how long JetStream may take for an answer; 0: 5 s.
	Timeout time.Duration
	// MaxInFlight bounds the messages of a topic that are on their way to JetStream, and those
	// of a subscription that it has to acknowledge; 0: 4,096. Whoever comes later waits.
	MaxInFlight int
}

// Store is a messages.Store over JetStream.
type Store struct {
	cfg Config

	mu       sync.Mutex
	accounts map[string]*account
}

var _ messages.Store = (*Store)(nil)

// account is what a Store holds of an account: the answers that it waits for.
type account struct {
	conn     *nats.Conn
	replies  *replies
	inFlight *slots
	window   *window // of pulls
}

// New returns a Store.
func New(cfg Config) *Store {
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.MaxInFlight = cmp.Or(cfg.MaxInFlight, 4096)
	return &Store{cfg: cfg, accounts: make(map[string]*account)}
}

// account returns the connection into an account, and what belongs to it.
func (s *Store) account(ctx context.Context, name string) (*account, error) {
	conn, err := s.connection(ctx, name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[name]
	if a != nil && a.conn == conn {
		return a, nil
	}
	r, err := newReplies(conn)
	if err != nil {
		return nil, err
	}
	a = &account{conn: conn, replies: r, inFlight: newSlots(s.cfg.MaxInFlight), window: newWindow(conn.MaxPayload(), s.cfg.Timeout)}
	s.accounts[name] = a
	// Connections that nobody used are closed, and their subscription with them.
	maps.DeleteFunc(s.accounts, func(_ string, a *account) bool { return a.conn.IsClosed() })
	return a, nil
}

// connection waits for the connection into an account no longer than for an answer of
// JetStream: a client has to hear of an outage before it gives up by itself.
func (s *Store) connection(ctx context.Context, account string) (*nats.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return s.cfg.Accounts.Conn(ctx, account)
}
