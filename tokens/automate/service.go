package automate

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// Service is how usher reaches one of Automate's services.
type Service struct {
	Address string      // HOST:PORT
	Name    string      // for which the service's certificate must be
	TLS     *tls.Config // as package tlsfiles makes it
}

// service is one of Automate's services, and the connection to it.
type service struct {
	Service

	backend     string // its name in metrics
	aboutTokens bool   // status Unauthenticated is about the token, and not about usher
	timeout     time.Duration
	now         func() time.Time
	dialer      net.Dialer
	link        atomic.Pointer[link] // the newest; nil: none yet
	health      health

	mu sync.Mutex
	cc *grpc.ClientConn // nil: none
}

func newService(cfg Service, v *Config, name string) *service {
	s := &service{Service: cfg, backend: name, timeout: v.Backend.Timeout, now: v.Now}
	s.TLS = s.TLS.Clone()
	s.TLS.ServerName = s.Name
	s.TLS.MinVersion = max(s.TLS.MinVersion, tls.VersionTLS12)
	s.TLS.VerifyConnection = s.verifiedTLS
	return s
}

// A service that was restarted is connected to again within maxReconnect and the time of a
// handshake.
const (
	minReconnect = 50 * time.Millisecond
	maxReconnect = 500 * time.Millisecond
	minApart     = 250 * time.Millisecond // between two connections
)

// conn returns the connection of gRPC, which it makes if there is none. It connects with
// the first call, or with keep.
func (s *service) conn() (*grpc.ClientConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cc != nil {
		return s.cc, nil
	}
	// passthrough: the dialer looks the name up each time, so that a service that moved is
	// found at once; and DNS has no say in how calls are made.
	cc, err := grpc.NewClient("passthrough:///"+s.Address,
		grpc.WithTransportCredentials(credentials.NewTLS(s.TLS)),
		grpc.WithContextDialer(s.dial),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithUserAgent("usher"),
		grpc.WithMaxHeaderListSize(maxHeader),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: minReconnect, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnect},
			MinConnectTimeout: s.timeout,
		}),
		// A ping only beside a call, after 10 s in which nothing arrived: servers with the
		// usual policy close connections with other pings.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: s.timeout + time.Second}),
	)
	if err != nil {
		return nil, err
	}
	s.cc = cc
	return cc, nil
}

// close ends the connection. A later call makes another one.
func (s *service) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cc != nil {
		_ = s.cc.Close() // fails if it is closed already
		s.cc = nil
	}
}

// keep connects, and again whenever the connection ends, until ctx does.
func (s *service) keep(ctx context.Context) {
	defer s.close()
	cc, err := s.conn()
	if err != nil {
		return // each call has the same error
	}
	for {
		state := cc.GetState()
		if state == connectivity.Idle {
			cc.Connect()
		}
		if !cc.WaitForStateChange(ctx, state) {
			return
		}
	}
}

// state returns the state of the connection.
func (s *service) state() connectivity.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cc == nil {
		return connectivity.Idle
	}
	return s.cc.GetState()
}
