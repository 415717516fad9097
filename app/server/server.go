package server

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"usher/internal/fault"
	"usher/internal/version"

	"github.com/prometheus/client_golang/prometheus"

	"usher/api/authx509"
	"usher/api/listener"
	"usher/api/rest"
	"usher/app/assembly"
	"usher/app/collector"
	"usher/app/config"
	"usher/app/logger"
	messages "usher/app/messages/service"
	"usher/app/natsconn"
	pushing "usher/app/push/service"
	"usher/app/reload"
	"usher/callout"
	"usher/callout/admission"
	"usher/callout/codes"
	"usher/callout/ratelimit"
	"usher/directory/file"
	"usher/directory/kv"
	"usher/internal/metrics"
	"usher/issuer/keyring"
)

// Server is one running usher.
type Server struct {
	cfg              *config.Config
	Parts            *assembly.Parts
	log              *slog.Logger
	logLevel         *slog.LevelVar
	audit            *assembly.Audit
	registry         *prometheus.Registry
	directoryReloads *reloads
	keyringReloads   *reloads
	identityReloads  *reloads
	configuration    *reload.Watcher // nil: the configuration is not of a file
	service          *callout.Service
	web              *listener.Server     // nil: off
	api              *listener.Server     // nil: off
	x509             *listener.Server     // nil: off
	login            authx509.Config      // of x509
	collector        *collector.Collector // nil: off
	tracers          tracers
	forgetting       *forgetting
	bridge           bridge
	messages         *messages.Service // nil: off
	push             *pushing.Inside
	ObserveAPI       func(metrics.APIRequest) // counts a request of the API; nil: off
	AroundReload     func(reload func())      // runs a reload
	serviceTokens    []rest.ServiceToken
	sessions         *liveSessions
	started          atomic.Bool

	connections assembly.Connections // of the listeners, at most
}

// New reads all files and connects nothing. Log lines, and audit events without a file of
// their own, go to stderr.
func New(cfg *config.Config, stderr io.Writer) (*Server, error) {
	log, level, err := logger.New(&cfg.Log, stderr)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	srv := &Server{cfg: cfg, log: log, logLevel: level, registry: prometheus.NewRegistry(), forgetting: newForgetting(), AroundReload: func(reload func()) { reload() }}
	srv.directoryReloads = newReloads(srv.registry, "directory",
		"Reloads of the directory by result. After a failed reload the last good directory stays in use.")
	srv.keyringReloads = newReloads(srv.registry, "keyring",
		"Reloads of the keyring by result. After a failed reload the last good keyring stays in use.")
	srv.identityReloads = newReloads(srv.registry, "identities",
		"Reloads of usher.yaml by result. After a failed reload what was in force before stays so.")
	srv.Parts, err = assembly.New(cfg, log, assembly.Observers{Directory: srv.onDirectoryReload, Changed: srv.onBucketChange, Keyring: srv.onKeyringReload})
	if err != nil {
		return nil, err
	}
	opts, err := natsconn.ServiceOptions(cfg)
	if err == nil {
		srv.audit, err = assembly.OpenAudit(&assembly.AuditConfig{Config: cfg, Keyring: srv.Parts.Keyring.Keyring, Log: log, Stderr: stderr, Now: srv.Parts.Now})
	}
	if err != nil {
		return nil, errors.Join(fault.InConfig(err), srv.Parts.Store.Close())
	}
	if srv.login, err = assembly.X509Login(&cfg.API.X509, log, srv.Parts.Now); err != nil {
		return nil, errors.Join(fault.InConfig(err), srv.audit.Close(), srv.Parts.Store.Close())
	}
	if err := srv.openCollector(); err != nil {
		return nil, errors.Join(fault.InConfig(err), srv.audit.Close(), srv.Parts.Store.Close())
	}
	if err := srv.prepareBridge(); err != nil {
		return nil, errors.Join(fault.InConfig(err), srv.Close())
	}
	err = srv.prepareSessions()
	if err == nil {
		err = srv.prepareMessages()
	}
	if err == nil {
		err = srv.watchConfiguration()
	}
	if err != nil {
		return nil, errors.Join(fault.InConfig(err), srv.Close())
	}
	srv.service, err = callout.New(callout.Config{
		URLs: natsconn.URLs(cfg), Options: append(opts, natsconn.LogConnectErrors(cfg, log, srv.Parts.Now)), Account: assembly.ServerAccount(cfg, srv.Parts.Keyring.Keyring()),
		Connections: cfg.NATS.Connections, Workers: assembly.Workers(cfg), Queue: cfg.Callout.Queue,
		Waiters: waiters, Order: admission.Order(cfg.Callout.Order),
		Failures: ratelimit.Config{
			PerHost: float64(cfg.Callout.Failures.PerHost), PerCredential: float64(cfg.Callout.Failures.PerCredential), Now: srv.Parts.Now,
		},
		Budget: cfg.Callout.Budget, Leeway: cfg.Callout.ClockSkew, Version: version.Semver(),
		Decider: srv.Parts.Decider, Issuer: srv.Parts.Issuer, Keyring: srv.Parts.Keyring.Keyring,
		Log: log, Audit: srv.audit.Log, Metrics: metrics.New(srv.registry, codes.Metrics()), Tracer: srv.tracers.callout,
		Sessions: srv.sessions, Live: srv.sessionsReport, Sealed: func() map[string]int { return srv.push.Sealed() }, Limits: srv.sessions.connectionLimits(),
		Now: srv.Parts.Now, Random: rand.Reader, NewID: assembly.NewRequestID, Host: hostName(),
	})
	if err != nil {
		return nil, errors.Join(err, srv.Close())
	}
	if err := srv.prepareExchange(); err != nil {
		return nil, errors.Join(err, srv.Close())
	}
	srv.registerState()
	srv.logDirectoryProblems()
	return srv, nil
}

// waiters is the number of requests that may wait for one slow verifier. Waiting costs
// only memory, and no request waits longer than its budget.
const waiters = 1024

// hostName returns the name of this machine, or empty if it has none.
func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// onDirectoryReload is called after each reload of a directory file.
func (srv *Server) onDirectoryReload(e file.ReloadEvent) {
	srv.directoryReloads.count(e.Err == nil)
	if e.Err == nil {
		srv.logDirectoryProblems()
		srv.forgetting.everybody()
		srv.announce()
		srv.sessions.everythingChanged()
		srv.messages.Changed()
	}
}

// onBucketChange is called after each change that was taken over from the bucket.
func (srv *Server) onBucketChange(c kv.Changed) {
	srv.directoryReloads.count(true)
	srv.announce()
	srv.directoryChanged(&c)
	srv.messages.Changed()
	srv.forgetChanged(&c)
	if c.Loaded {
		srv.logDirectoryProblems()
		return
	}
	srv.log.LogAttrs(context.Background(), slog.LevelDebug, "directory changed",
		slog.Uint64("revision", c.Revision), slog.Int("users", len(c.Users)))
}

// onKeyringReload is called after each reload of the keyring. It writes a new health-check
// token, because the key that signed the old one may be gone.
func (srv *Server) onKeyringReload(e keyring.ReloadEvent) {
	srv.keyringReloads.count(e.Err == nil)
	if !e.Changed {
		return
	}
	srv.logAccountProblems()
	srv.healthToken().Refresh()
	srv.push.KeyringChanged()
}

// logDirectoryProblems logs what the directory contains that can never be granted.
func (srv *Server) logDirectoryProblems() {
	s := srv.Parts.Store.Snapshot()
	if s == nil {
		return // logged once the directory is loaded
	}
	for _, p := range srv.Parts.Ruleset().Policy.CheckDirectory(s) {
		srv.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the configuration",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
	srv.logAccountProblems()
}

// Close closes what New has opened. Call it for a Server that never runs; Run closes by
// itself.
func (srv *Server) Close() error {
	srv.collector.Stop(context.Background())
	srv.push.Close()
	srv.messages.Close()
	return errors.Join(srv.Parts.Store.Close(), srv.audit.Close())
}

// Bucket returns the directory if it is a bucket, or nil if it is a file.
func (srv *Server) Bucket() *kv.Store {
	if s, ok := srv.Parts.Store.(*assembly.Bucket); ok {
		return s.Store
	}
	return nil
}

// Metrics returns the metrics that /metrics serves.
func (srv *Server) Metrics() prometheus.Gatherer { return srv.registry }

// Run serves until ctx ends, then drains.
func (srv *Server) Run(ctx context.Context) error {
	return srv.Serve(ctx, func() {})
}

// Serve is Run, and calls started once everything runs.
func (srv *Server) Serve(ctx context.Context, started func()) (err error) {
	defer func() { err = errors.Join(err, srv.Close()) }()
	hangup := catchHangup()
	defer signal.Stop(hangup)
	if err := srv.shareDescriptors(); err != nil {
		return err
	}
	if err := srv.startWeb(ctx); err != nil {
		return err
	}
	defer srv.web.Stop(time.Second)
	if err := srv.startAPI(ctx); err != nil {
		return err
	}
	defer func() { srv.api.Stop(apiStop) }()
	if err := srv.startX509(ctx); err != nil {
		return err
	}
	defer func() { srv.x509.Stop(apiStop) }()
	if err := srv.healthToken().Write(ctx); err != nil {
		return err
	}
	if err := srv.service.Start(); err != nil {
		return err
	}
	if err := srv.bridge.start(); err != nil {
		return err
	}
	sessionsCtx, endSessions := context.WithCancel(context.Background())
	defer func() {
		endSessions()
		srv.sessions.background.Wait()
	}()
	if err := srv.startSessions(sessionsCtx); err != nil {
		return err
	}
	srv.started.Store(true)
	backgroundCtx, stop := context.WithCancel(context.Background())
	var background sync.WaitGroup
	background.Go(func() { onHangup(backgroundCtx, hangup, func() { srv.reload("SIGHUP") }) })
	background.Go(func() { srv.healthToken().Renew(backgroundCtx) })
	background.Go(func() { srv.messages.Run(backgroundCtx) })
	background.Go(func() { srv.push.Run(ctx) }) // drains at once
	background.Go(func() { srv.watchDirectory(backgroundCtx) })
	background.Go(func() { srv.watchKeyring(backgroundCtx) })
	background.Go(func() { srv.followConfiguration(backgroundCtx) })
	background.Go(func() { srv.Parts.RunVerifiers(backgroundCtx) })
	background.Go(func() { srv.watchVerifiers(backgroundCtx) })
	background.Go(func() { srv.login.Revocation.Run(backgroundCtx) })
	background.Go(func() { srv.forgetting.run(backgroundCtx, srv.Parts.Decider.Chain, srv.Parts.Ruleset) })
	srv.log.LogAttrs(ctx, slog.LevelInfo, "usher is running", slog.String("version", version.Semver()),
		slog.Int("connections", srv.cfg.NATS.Connections), slog.Int("workers", assembly.Workers(srv.cfg)))
	started()
	<-ctx.Done()
	srv.log.LogAttrs(ctx, slog.LevelInfo, "draining")
	srv.api.Stop(apiStop)
	srv.x509.Stop(apiStop)
	drain, cancel := context.WithTimeout(context.Background(), srv.cfg.Callout.DrainTimeout)
	defer cancel()
	srv.bridge.stopWith(drain)
	err = srv.service.Drain(drain)
	srv.bridge.wait()
	stop()
	ended := make(chan struct{})
	go func() {
		background.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-drain.Done(): // a read of the directory can hang
	}
	srv.collector.Stop(drain)
	return err
}

func (srv *Server) watchDirectory(ctx context.Context) {
	if err := srv.Parts.Store.Run(ctx); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "cannot watch the directory for changes; SIGHUP still reloads it",
			slog.String("error", err.Error()))
	}
}

func (srv *Server) watchKeyring(ctx context.Context) {
	if err := srv.Parts.Keyring.Run(ctx); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "cannot watch the keyring for changes; SIGHUP still reloads it",
			slog.String("error", err.Error()))
	}
}

// shareDescriptors reserves file descriptors for NATS, and logs if few remain.
func (srv *Server) shareDescriptors() error {
	limit, _ := assembly.MaxOpenFiles()
	n, err := assembly.ShareDescriptors(srv.cfg, srv.Parts.Keyring.Keyring(), limit)
	if err != nil {
		return &fault.Error{Kind: fault.Config, Err: err, Hint: assembly.HintOpenFiles}
	}
	srv.connections = n
	if n.Reduced() {
		srv.log.Warn("the limit of open files is low; listeners accept fewer connections", slog.Uint64("files", limit),
			slog.Uint64("set_aside", n.Reserved), slog.Int("http_connections", n.Web), slog.Int("api_connections", n.API), slog.Int("x509_connections", n.X509), slog.String("hint", assembly.HintOpenFiles))
	}
	return nil
}

// logAccountProblems logs accounts that users get and that no key signs for (operator mode).
func (srv *Server) logAccountProblems() {
	s := srv.Parts.Store.Snapshot()
	if s == nil {
		return // logged once the directory is loaded
	}
	for _, p := range assembly.AccountProblems(srv.Parts.Policy, s, srv.Parts.Keyring.Keyring()) {
		srv.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the keyring",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
}
