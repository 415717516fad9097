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

	"usher/api/listener"
	"usher/app/assembly"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/callout"
	"usher/callout/admission"
	"usher/directory/file"
	"usher/directory/kv"
	"usher/internal/metrics"
	"usher/issuer/keyring"
)

// Server is one running usher.
type Server struct {
	cfg      *config.Config
	Parts    *assembly.Parts
	log      *slog.Logger
	audit    *assembly.Audit
	registry *prometheus.Registry
	reloads  *reloads // of the directory
	rekeyed  *reloads // of the keyring
	service  *callout.Service
	web      *listener.Server // nil: off
	api      *listener.Server // nil: off
	started  atomic.Bool

	connections assembly.Connections // of web and api, at most
}

// New reads everything and connects nothing. What fails here is the
// operator's to mend.
func New(cfg *config.Config, stderr io.Writer) (*Server, error) {
	log, err := newLogger(&cfg.Log, stderr)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	srv := &Server{cfg: cfg, log: log, registry: prometheus.NewRegistry()}
	srv.reloads = newReloads(srv.registry, "usher_directory_reloads_total",
		"Reloads of the directory by result; after a bad one the last good directory stays.")
	srv.rekeyed = newReloads(srv.registry, "usher_keyring_reloads_total",
		"Reloads of the keyring by result; after a bad one the last good keyring stays.")
	srv.Parts, err = assembly.New(cfg, log, assembly.Observers{Directory: srv.reloaded, Changed: srv.changed, Keyring: srv.keysReloaded})
	if err != nil {
		return nil, err
	}
	opts, err := natsconn.ServiceOptions(cfg)
	if err == nil {
		srv.audit, err = assembly.OpenAudit(&cfg.Audit, log, stderr)
	}
	if err != nil {
		return nil, errors.Join(fault.InConfig(err), srv.Parts.Store.Close())
	}
	srv.service, err = callout.New(callout.Config{
		URLs: natsconn.URLs(cfg), Options: append(opts, natsconn.LogConnectErrors(log, srv.Parts.Now)), Account: assembly.ServerAccount(cfg, srv.Parts.Keyring.Keyring()),
		Connections: cfg.NATS.Connections, Workers: assembly.Workers(cfg), Queue: cfg.Callout.Queue,
		Waiters: waiters, Order: admission.Order(cfg.Callout.Order),
		Failures: admission.FailuresConfig{
			PerHost: float64(cfg.Callout.Failures.PerHost), PerCredential: float64(cfg.Callout.Failures.PerCredential), Now: srv.Parts.Now,
		},
		Budget: cfg.Callout.Budget, Leeway: cfg.Callout.ClockSkew, Version: version.Semver(),
		Decider: srv.Parts.Decider, Issuer: srv.Parts.Issuer, Keyring: srv.Parts.Keyring.Keyring,
		Log: log, Audit: srv.audit.Log, Metrics: metrics.New(srv.registry, callout.MetricCodes()),
		Now: srv.Parts.Now, Random: rand.Reader, NewID: assembly.NewRequestID, Host: hostName(),
	})
	if err != nil {
		return nil, errors.Join(err, srv.audit.Close(), srv.Parts.Store.Close())
	}
	srv.registerState()
	srv.warn()
	return srv, nil
}

// waiters is how many requests may wait for one slow verifier. Waiting costs
// memory only, and no request waits longer than its budget.
const waiters = 1024

// hostName returns the name of this machine; empty: it has none.
func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// reloaded hears of every reload of the directory, good or bad.
func (srv *Server) reloaded(e file.ReloadEvent) {
	srv.reloads.count(e.Err == nil)
	if e.Err == nil {
		srv.warn()
	}
}

// changed hears of everything that was taken over from a bucket. Whoever closes
// the connections of those whose grant has changed hooks in here.
func (srv *Server) changed(c kv.Changed) {
	srv.reloads.count(true)
	if c.Loaded {
		srv.warn()
		return
	}
	srv.log.LogAttrs(context.Background(), slog.LevelDebug, "directory changed",
		slog.Uint64("revision", c.Revision), slog.Int("users", len(c.Users)))
}

// keysReloaded hears of every reload of the keyring, good or bad. What signed the
// health-check token may have gone.
func (srv *Server) keysReloaded(e keyring.ReloadEvent) {
	srv.rekeyed.count(e.Err == nil)
	if !e.Changed {
		return
	}
	srv.warnAccounts()
	ctx, cancel := context.WithTimeout(context.Background(), healthTokenLimit)
	defer cancel()
	srv.refreshHealthToken(ctx)
}

// warn logs what the directory holds that could never be granted.
func (srv *Server) warn() {
	s := srv.Parts.Store.Snapshot()
	if s == nil {
		return // as warnAccounts
	}
	for _, p := range srv.Parts.Policy.CheckDirectory(s) {
		srv.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the configuration",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
	srv.warnAccounts()
}

// Close ends what newInstance has opened. It is for an instance that never ran.
func (srv *Server) Close() error {
	return errors.Join(srv.Parts.Store.Close(), srv.audit.Close())
}

// Bucket returns the directory if it is a bucket; nil: it is a file.
func (srv *Server) Bucket() *kv.Store {
	if s, ok := srv.Parts.Store.(*assembly.Bucket); ok {
		return s.Store
	}
	return nil
}

// Metrics returns what the instance registers for /metrics.
func (srv *Server) Metrics() prometheus.Gatherer { return srv.registry }

// Run serves until ctx ends, then drains.
func (srv *Server) Run(ctx context.Context) error {
	return srv.Serve(ctx, func() {})
}

// Serve is run, and calls started once everything runs.
func (srv *Server) Serve(ctx context.Context, started func()) (err error) {
	defer func() { err = errors.Join(err, srv.Close()) }()
	hangup := catchHangup()
	defer signal.Stop(hangup)
	if err := srv.shareFiles(); err != nil {
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
	if err := srv.writeHealthToken(ctx); err != nil {
		return err
	}
	if err := srv.service.Start(); err != nil {
		return err
	}
	srv.started.Store(true)
	side, stop := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	helpers.Go(func() { onHangup(side, hangup, srv.hangup) })
	if srv.cfg.Accounts.HealthCheck != "" {
		helpers.Go(func() { srv.renewHealthToken(side) })
	}
	helpers.Go(func() { srv.watchDirectory(side) })
	helpers.Go(func() { srv.watchKeyring(side) })
	srv.log.LogAttrs(ctx, slog.LevelInfo, "usher runs", slog.String("version", version.Semver()),
		slog.Int("connections", srv.cfg.NATS.Connections), slog.Int("workers", assembly.Workers(srv.cfg)))
	started()
	<-ctx.Done()
	srv.log.LogAttrs(ctx, slog.LevelInfo, "draining")
	srv.api.Stop(apiStop)
	drain, cancel := context.WithTimeout(context.Background(), srv.cfg.Callout.DrainTimeout)
	defer cancel()
	err = srv.service.Drain(drain)
	stop()
	ended := make(chan struct{})
	go func() {
		helpers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-drain.Done(): // one is reading a directory that does not come to an end
	}
	return err
}

func (srv *Server) watchDirectory(ctx context.Context) {
	if err := srv.Parts.Store.Run(ctx); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "the directory is not watched for changes, SIGHUP still reads it again",
			slog.String("error", err.Error()))
	}
}

func (srv *Server) watchKeyring(ctx context.Context) {
	if err := srv.Parts.Keyring.Run(ctx); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "the keyring is not watched for changes, SIGHUP still reads it again",
			slog.String("error", err.Error()))
	}
}

// shareFiles sets descriptors for NATS aside, and says so if there are few.
func (srv *Server) shareFiles() error {
	limit, _ := assembly.MaxOpenFiles()
	n, err := assembly.ShareDescriptors(srv.cfg, srv.Parts.Keyring.Keyring(), limit)
	if err != nil {
		return &fault.Error{Kind: fault.Config, Err: err, Hint: assembly.HintOpenFiles}
	}
	srv.connections = n
	if n.Reduced() {
		srv.log.Warn("this process may open few files, so its listeners hold fewer connections", slog.Uint64("files", limit),
			slog.Uint64("set_aside", n.Reserved), slog.Int("http_connections", n.Web), slog.Int("api_connections", n.API), slog.String("hint", assembly.HintOpenFiles))
	}
	return nil
}
