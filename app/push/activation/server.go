package activation

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"usher/app/push/pushpb"
)

// Server is a push server.
type Server struct {
	Name    string
	Address string      // HOST:PORT
	TLS     *tls.Config // as package tlsfiles makes it, with a client certificate
}

const maxMessage = 64 << 10 // bytes of a response

// server is a push server, and what is known about it.
type server struct {
	Server

	timeout time.Duration
	now     func() time.Time
	log     *slog.Logger
	conn    *grpc.ClientConn
	client  pushpb.PushServiceClient

	mu    sync.Mutex
	since time.Time // it cannot be reached since; zero: it can
	had   bool      // it could be reached at some time
	// What it pushes, by full name. It is forgotten when the server cannot be reached: it may
	// be started anew.
	known map[string]known
}

type known struct {
	active bool
	digest [sha256.Size]byte // if it is active
	asked  time.Time
}

func newServer(cfg Server, timeout time.Duration, now func() time.Time, log *slog.Logger) (*server, error) {
	conn, err := grpc.NewClient("passthrough:///"+cfg.Address,
		grpc.WithTransportCredentials(credentials.NewTLS(cfg.TLS)),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithUserAgent("usher"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: timeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: timeout}),
	)
	if err != nil {
		return nil, err
	}
	return &server{
		Server: cfg, timeout: timeout, now: now, log: log, conn: conn,
		client: pushpb.NewPushServiceClient(conn), known: map[string]known{},
	}, nil
}

// probe asks whether the server works, and takes note of it.
func (s *server) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.client.Status(ctx, &pushpb.StatusRequest{})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		if !s.since.IsZero() {
			s.log.LogAttrs(ctx, slog.LevelInfo, "push server works", slog.String("push_server", s.Name))
		}
		s.since, s.had = time.Time{}, true
	case s.since.IsZero():
		s.log.LogAttrs(ctx, slog.LevelError, "push server cannot be asked", slog.String("push_server", s.Name), slog.String("code", status.Code(err).String()))
		s.since = s.now()
		clear(s.known)
	}
	return err
}

// usable reports whether subscriptions are given to the server: it works, or has not been
// away for long.
func (s *server) usable(patience time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since.IsZero() || s.had && s.now().Sub(s.since) < patience
}

func (s *server) reachable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since.IsZero()
}

func (s *server) get(name string) (known, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.known[name]
	return k, ok
}

func (s *server) set(name string, k known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.asked = s.now()
	s.known[name] = k
}

// activate makes the server push a subscription with this configuration.
func (s *server) activate(ctx context.Context, name string, w wanted, recheck time.Duration) error {
	switch k, ok := s.get(name); {
	case ok && k.active && k.digest == w.digest && s.now().Sub(k.asked) < recheck:
		return nil
	case ok && k.active && k.digest == w.digest:
		if _, err := s.status(ctx, name); status.Code(err) != codes.NotFound {
			if err == nil {
				s.set(name, known{active: true, digest: w.digest})
			}
			return err
		}
	case ok && k.active:
		if err := s.deactivate(ctx, name); err != nil {
			return err
		}
	}
	err := s.start(ctx, w)
	if status.Code(err) == codes.AlreadyExists { // maybe with another configuration
		if err := s.stop(ctx, name); err != nil {
			return err
		}
		err = s.start(ctx, w)
	}
	if err != nil {
		return err
	}
	s.set(name, known{active: true, digest: w.digest})
	return nil
}

// deactivate makes the server not push a subscription.
func (s *server) deactivate(ctx context.Context, name string) error {
	if k, ok := s.get(name); ok && !k.active {
		return nil
	}
	if err := s.stop(ctx, name); err != nil {
		return err
	}
	s.set(name, known{})
	return nil
}

func (s *server) start(ctx context.Context, w wanted) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.client.ActivateSubscription(ctx, w.request)
	return err
}

func (s *server) stop(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.client.DeactivateSubscription(ctx, &pushpb.DeactivateSubscriptionRequest{FullName: name})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}

func (s *server) status(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	r, err := s.client.SubscriptionStatus(ctx, &pushpb.SubscriptionStatusRequest{FullName: name})
	return r.GetStatus(), err
}
