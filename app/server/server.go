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
	audit    *assembly.AuditSink
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
	in := &Server{cfg: cfg, log: log, registry: prometheus.NewRegistry()}
	in.reloads = newReloads(in.registry, "usher_directory_reloads_total",
		"Reloads of the directory by result; after a bad one the last good directory stays.")
	in.rekeyed = newReloads(in.registry, "usher_keyring_reloads_total",
		"Reloads of the keyring by result; after a bad one the last good keyring stays.")
	in.Parts, err = assembly.Assemble(cfg, log, assembly.Observers{Directory: in.reloaded, Changed: in.changed, Keyring: in.keysReloaded})
	if err != nil {
		return nil, err
	}
	opts, err := natsconn.ServiceOptions(cfg)
	if err == nil {
		in.audit, err = assembly.OpenAudit(&cfg.Audit, log, stderr)
	}
	if err != nil {
		return nil, errors.Join(fault.InConfig(err), in.Parts.Store.Close())
	}
	in.service, err = callout.New(callout.Config{
		URLs: natsconn.NatsURLs(cfg), Options: append(opts, natsconn.TellAttempts(log, in.Parts.Now)), Account: assembly.ServerAccount(cfg, in.Parts.Keyring.Keyring()),
		Connections: cfg.NATS.Connections, Workers: assembly.Workers(cfg), Queue: cfg.Callout.Queue,
		Waiters: waiters, Order: admission.Order(cfg.Callout.Order),
		Failures: admission.FailuresConfig{
			PerHost: float64(cfg.Callout.Failures.PerHost), PerCredential: float64(cfg.Callout.Failures.PerCredential), Now: in.Parts.Now,
		},
		Budget: cfg.Callout.Budget, Leeway: cfg.Callout.ClockSkew, Version: version.Semver(),
		Decider: in.Parts.Decider, Issuer: in.Parts.Issuer, Keyring: in.Parts.Keyring.Keyring,
		Log: log, Audit: in.audit.Log, Metrics: metrics.New(in.registry, callout.MetricCodes()),
		Now: in.Parts.Now, Random: rand.Reader, NewID: assembly.NewRequestID, Host: hostName(),
	})
	if err != nil {
		return nil, errors.Join(err, in.audit.Close(), in.Parts.Store.Close())
	}
	in.registerState()
	in.warn()
	return in, nil
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
func (in *Server) reloaded(e file.ReloadEvent) {
	in.reloads.count(e.Err == nil)
	if e.Err == nil {
		in.warn()
	}
}

// changed hears of everything that was taken over from a bucket. Whoever closes
// the connections of those whose grant has changed hooks in here.
func (in *Server) changed(c kv.Changed) {
	in.reloads.count(true)
	if c.Loaded {
		in.warn()
		return
	}
	in.log.LogAttrs(context.Background(), slog.LevelDebug, "directory changed",
		slog.Uint64("revision", c.Revision), slog.Int("users", len(c.Users)))
}

// keysReloaded hears of every reload of the keyring, good or bad. What signed the
// health-check token may have gone.
func (in *Server) keysReloaded(e keyring.ReloadEvent) {
	in.rekeyed.count(e.Err == nil)
	if !e.Changed {
		return
	}
	in.warnAccounts()
	ctx, cancel := context.WithTimeout(context.Background(), healthTokenLimit)
	defer cancel()
	in.refreshHealthToken(ctx)
}

// warn logs what the directory holds that could never be granted.
func (in *Server) warn() {
	s := in.Parts.Store.Snapshot()
	if s == nil {
		return // as warnAccounts
	}
	for _, p := range in.Parts.Policy.CheckDirectory(s) {
		in.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the configuration",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
	in.warnAccounts()
}

// Close ends what newInstance has opened. It is for an instance that never ran.
func (in *Server) Close() error {
	return errors.Join(in.Parts.Store.Close(), in.audit.Close())
}

// Bucket returns the directory if it is a bucket; nil: it is a file.
func (in *Server) Bucket() *kv.Store {
	if s, ok := in.Parts.Store.(*assembly.KVStore); ok {
		return s.Store
	}
	return nil
}

// Metrics returns what the instance registers for /metrics.
func (in *Server) Metrics() prometheus.Gatherer { return in.registry }

// Run serves until ctx ends, then drains.
func (in *Server) Run(ctx context.Context) error {
	return in.Serve(ctx, func() {})
}

// Serve is run, and calls started once everything runs.
func (in *Server) Serve(ctx context.Context, started func()) (err error) {
	defer func() { err = errors.Join(err, in.Close()) }()
	hangup := catchHangup()
	defer signal.Stop(hangup)
	if err := in.shareFiles(); err != nil {
		return err
	}
	if err := in.startWeb(ctx); err != nil {
		return err
	}
	defer in.web.Stop(time.Second)
	if err := in.startAPI(ctx); err != nil {
		return err
	}
	defer func() { in.api.Stop(apiStop) }()
	if err := in.writeHealthToken(ctx); err != nil {
		return err
	}
	if err := in.service.Start(); err != nil {
		return err
	}
	in.started.Store(true)
	side, stop := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	helpers.Go(func() { onHangup(side, hangup, in.hangup) })
	if in.cfg.Accounts.HealthCheck != "" {
		helpers.Go(func() { in.renewHealthToken(side) })
	}
	helpers.Go(func() { in.watchDirectory(side) })
	helpers.Go(func() { in.watchKeyring(side) })
	in.log.LogAttrs(ctx, slog.LevelInfo, "usher runs", slog.String("version", version.Semver()),
		slog.Int("connections", in.cfg.NATS.Connections), slog.Int("workers", assembly.Workers(in.cfg)))
	started()
	<-ctx.Done()
	in.log.LogAttrs(ctx, slog.LevelInfo, "draining")
	in.api.Stop(apiStop)
	drain, cancel := context.WithTimeout(context.Background(), in.cfg.Callout.DrainTimeout)
	defer cancel()
	err = in.service.Drain(drain)
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

func (in *Server) watchDirectory(ctx context.Context) {
	if err := in.Parts.Store.Run(ctx); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "the directory is not watched for changes, SIGHUP still reads it again",
			slog.String("error", err.Error()))
	}
}

func (in *Server) watchKeyring(ctx context.Context) {
	if err := in.Parts.Keyring.Run(ctx); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "the keyring is not watched for changes, SIGHUP still reads it again",
			slog.String("error", err.Error()))
	}
}

// shareFiles sets descriptors for NATS aside, and says so if there are few.
func (in *Server) shareFiles() error {
	limit, _ := assembly.MaxOpenFiles()
	n, err := assembly.ShareFiles(in.cfg, in.Parts.Keyring.Keyring(), limit)
	if err != nil {
		return &fault.Error{Kind: fault.Config, Err: err, Hint: assembly.HintFiles}
	}
	in.connections = n
	if n.Reduced() {
		in.log.Warn("this process may open few files, so its listeners hold fewer connections", slog.Uint64("files", limit),
			slog.Uint64("set_aside", n.Reserved), slog.Int("http_connections", n.Web), slog.Int("api_connections", n.Api), slog.String("hint", assembly.HintFiles))
	}
	return nil
}
