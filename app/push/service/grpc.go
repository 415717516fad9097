package service

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"usher/api/listener"
	apipush "usher/api/push"
	"usher/app/config"
	"usher/app/push"
	"usher/app/push/amssource"
	"usher/app/push/pushserver"
	"usher/internal/secretfile"
	"usher/internal/tlsfiles"
)

// stopping is how long calls of the PushService may take at the end.
const stopping = 5 * time.Second

// messaging is an Argo Messaging Service, which tells over the PushService what to push.
type messaging struct {
	cfg     *config.Config
	log     *slog.Logger
	now     func() time.Time
	service *Service
	client  *amssource.Client
	active  *pushserver.Active
	changed chan struct{}
}

// openMessaging reads the files of push.grpc; nil: there is no PushService.
func openMessaging(cfg *config.Config, s *Service, now func() time.Time, log *slog.Logger) (*messaging, error) {
	from, group := cfg.Push.GRPC.Messages, cfg.Keyring.AllowGroupReadable
	if cfg.Push.GRPC.Listen == "" {
		return nil, nil //nolint:nilnil // off, which is no error
	}
	token := func() (string, error) { return secretfile.Read(from.TokenFile, group) }
	if _, err := token(); err != nil {
		return nil, fmt.Errorf("push.grpc.messages.token_file: %w", err)
	}
	secured, err := tlsfiles.Client(tlsfiles.Files{CA: from.CAFile})
	if err != nil {
		return nil, fmt.Errorf("push.grpc.messages.%w", err)
	}
	m := &messaging{cfg: cfg, log: log, now: now, service: s, changed: make(chan struct{}, 1)}
	m.client = amssource.New(amssource.Config{URL: from.URL, Token: token, TLS: secured, Log: log})
	m.active = pushserver.NewActive(pushserver.ActiveConfig{
		Messages: m.client, URL: strings.TrimRight(from.URL, "/"), State: s.state, Log: log,
		// A source calls it, and Service.also waits for sources to end.
		Changed: func() {
			select {
			case m.changed <- struct{}{}:
			default:
			}
		},
	})
	return m, nil
}

// start serves the PushService. The function that it returns ends that.
func (m *messaging) start(ctx context.Context) (stop func(), err error) {
	g := &m.cfg.Push.GRPC
	srv, err := pushserver.Start(ctx, &pushserver.Config{
		Address:     g.Listen,
		Certificate: &listener.Certificate{Key: "push.grpc.tls", CertFile: g.TLS.CertFile, KeyFile: g.TLS.KeyFile, AllowGroup: m.cfg.Keyring.AllowGroupReadable, Log: m.log},
		ClientCA:    g.ClientCAFile, CommonNames: g.CommonNames, Registry: m.active, Now: m.now, Log: m.log,
	})
	if err != nil {
		return nil, err
	}
	m.log.LogAttrs(ctx, slog.LevelInfo, "push service", slog.String("listen", srv.Addr().String()))
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { _ = m.active.Load(inner) }) // fails only if inner ends
	running.Go(func() { m.follow(inner) })
	return sync.OnceFunc(func() {
		srv.Stop(stopping) // first: what is activated from here on, nobody would push
		cancel()
		running.Wait()
		m.client.Close()
	}), nil
}

// follow pushes what is active.
func (m *messaging) follow(ctx context.Context) {
	for {
		select {
		case <-m.changed:
			m.service.also(m.active.List())
		case <-ctx.Done():
			return
		}
	}
}

// also says what is pushed beside the subscriptions of the directory: by this process alone.
func (s *Service) also(subscriptions []*push.Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others = subscriptions
	s.set()
}

// state tells how the pushes of this process go.
func (s *Service) state(_ context.Context, id string) (apipush.State, error) {
	state, ok := s.worker.State(id)
	if !ok {
		return apipush.State{Status: apipush.StatusInactive}, nil
	}
	return state, nil
}
