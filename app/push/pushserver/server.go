package pushserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"usher/api/listener"
	"usher/app/push/pushpb"
)

// The limits of the listener.
const (
	MaxConnections   = 64 // in total; one address gets a quarter of them
	maxStreams       = 32 // calls at once on one connection
	maxMessage       = 64 << 10
	maxHeader        = 16 << 10
	handshakeTimeout = 10 * time.Second
	maxAge           = time.Hour // of a connection: a client whose certificate was renewed presents it
	maxIdle          = 15 * time.Minute
	ageGrace         = 10 * time.Second
)

// Config is what a Server needs.
type Config struct {
	Address     string // HOST:PORT; port 0 selects a free one
	Certificate *listener.Certificate
	ClientCA    string // PEM file
	CommonNames []string
	Registry    Registry
	// Connections is how many there may be at once; 0: MaxConnections.
	Connections int
	Now         func() time.Time
	Log         *slog.Logger
}

// Server serves the PushService until Stop.
type Server struct {
	grpc     *grpc.Server
	listener net.Listener
	done     chan struct{}
}

// Start listens, and serves. Its errors are those of the files and of listening.
func Start(ctx context.Context, cfg *Config) (*Server, error) {
	if len(cfg.CommonNames) == 0 {
		return nil, errors.New("push.grpc.common_names: nobody may call")
	}
	clients, err := clientCAs(cfg.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("push.grpc.client_ca_file: %w", err)
	}
	if _, err := cfg.Certificate.Get(nil); err != nil {
		return nil, fmt.Errorf("push.grpc.tls: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("push.grpc.listen: %w", err)
	}
	connections := cfg.Connections
	if connections == 0 {
		connections = MaxConnections
	}
	a := &access{names: cfg.CommonNames, now: cfg.Now, log: cfg.Log}
	s := &Server{listener: l, done: make(chan struct{}), grpc: grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: cfg.Certificate.Get,
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
			SessionTicketsDisabled: true, // each connection shows its certificate
		})),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(maxHeader),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: maxIdle, MaxConnectionAge: maxAge, MaxConnectionAgeGrace: ageGrace}),
		grpc.ChainUnaryInterceptor(a.unary), grpc.ChainStreamInterceptor(a.stream),
	)}
	pushpb.RegisterPushServiceServer(s.grpc, &service{registry: cfg.Registry, log: cfg.Log})
	// AMS asks this service first, and shows SERVING in its status.
	grpc_health_v1.RegisterHealthServer(s.grpc, health.NewServer())
	go func() {
		defer close(s.done)
		if err := s.grpc.Serve(listener.Limit(l, connections)); err != nil {
			cfg.Log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "listener failed",
				slog.String("listener", "push.grpc.listen"), slog.String("error", err.Error()))
		}
	}()
	return s, nil
}

// Addr returns the address of the listener.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Stop closes the listener. It waits for calls until the timeout. A nil Server was never
// started.
func (s *Server) Stop(timeout time.Duration) {
	if s == nil {
		return
	}
	timer := time.AfterFunc(timeout, s.grpc.Stop)
	defer timer.Stop()
	s.grpc.GracefulStop()
	<-s.done
}
