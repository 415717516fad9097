package main

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
	"usher/app/config"
	"usher/callout"
	"usher/callout/admission"
	"usher/directory/file"
	"usher/directory/kv"
	"usher/internal/metrics"
	"usher/issuer/keyring"
)

// instance is one running usher.
type instance struct {
	cfg      *config.Config
	parts    *parts
	log      *slog.Logger
	audit    *auditSink
	registry *prometheus.Registry
	reloads  *reloads // of the directory
	rekeyed  *reloads // of the keyring
	service  *callout.Service
	web      *listener.Server // nil: off
	api      *listener.Server // nil: off
	started  atomic.Bool

	connections connections // of web and api, at most
}

// newInstance reads everything and connects nothing. What fails here is the
// operator's to mend.
func newInstance(cfg *config.Config, stderr io.Writer) (*instance, error) {
	log, err := newLogger(&cfg.Log, stderr)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	in := &instance{cfg: cfg, log: log, registry: prometheus.NewRegistry()}
	in.reloads = newReloads(in.registry, "usher_directory_reloads_total",
		"Reloads of the directory by result; after a bad one the last good directory stays.")
	in.rekeyed = newReloads(in.registry, "usher_keyring_reloads_total",
		"Reloads of the keyring by result; after a bad one the last good keyring stays.")
	in.parts, err = assemble(cfg, log, told{directory: in.reloaded, changed: in.changed, keyring: in.keysReloaded})
	if err != nil {
		return nil, err
	}
	opts, err := serviceOptions(cfg)
	if err == nil {
		in.audit, err = openAudit(&cfg.Audit, log, stderr)
	}
	if err != nil {
		return nil, errors.Join(fault.InConfig(err), in.parts.store.Close())
	}
	in.service, err = callout.New(callout.Config{
		URLs: natsURLs(cfg), Options: append(opts, tellAttempts(log, in.parts.now)), Account: serverAccount(cfg, in.parts.keyring.Keyring()),
		Connections: cfg.NATS.Connections, Workers: workers(cfg), Queue: cfg.Callout.Queue,
		Waiters: waiters, Order: admission.Order(cfg.Callout.Order),
		Failures: admission.FailuresConfig{
			PerHost: float64(cfg.Callout.Failures.PerHost), PerCredential: float64(cfg.Callout.Failures.PerCredential), Now: in.parts.now,
		},
		Budget: cfg.Callout.Budget, Leeway: cfg.Callout.ClockSkew, Version: version.Semver(),
		Decider: in.parts.decider, Issuer: in.parts.issuer, Keyring: in.parts.keyring.Keyring,
		Log: log, Audit: in.audit.Log, Metrics: metrics.New(in.registry, callout.MetricCodes()),
		Now: in.parts.now, Random: rand.Reader, NewID: newRequestID, Host: hostName(),
	})
	if err != nil {
		return nil, errors.Join(err, in.audit.Close(), in.parts.store.Close())
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
func (in *instance) reloaded(e file.ReloadEvent) {
	in.reloads.count(e.Err == nil)
	if e.Err == nil {
		in.warn()
	}
}

// changed hears of everything that was taken over from a bucket. Whoever closes
// the connections of those whose grant has changed hooks in here.
func (in *instance) changed(c kv.Changed) {
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
func (in *instance) keysReloaded(e keyring.ReloadEvent) {
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
func (in *instance) warn() {
	s := in.parts.store.Snapshot()
	if s == nil {
		return // as warnAccounts
	}
	for _, p := range in.parts.policy.CheckDirectory(s) {
		in.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the configuration",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
	in.warnAccounts()
}

// close ends what newInstance has opened. It is for an instance that never ran.
func (in *instance) close() error {
	return errors.Join(in.parts.store.Close(), in.audit.Close())
}

// bucket returns the directory if it is a bucket; nil: it is a file.
func (in *instance) bucket() *kv.Store {
	if s, ok := in.parts.store.(*kvStore); ok {
		return s.Store
	}
	return nil
}

// metrics returns what the instance registers for /metrics.
func (in *instance) metrics() prometheus.Gatherer { return in.registry }

// run serves until ctx ends, then drains.
func (in *instance) run(ctx context.Context) error {
	return in.serve(ctx, func() {})
}

// serve is run, and calls started once everything runs.
func (in *instance) serve(ctx context.Context, started func()) (err error) {
	defer func() { err = errors.Join(err, in.close()) }()
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
		slog.Int("connections", in.cfg.NATS.Connections), slog.Int("workers", workers(in.cfg)))
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

func (in *instance) watchDirectory(ctx context.Context) {
	if err := in.parts.store.Run(ctx); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "the directory is not watched for changes, SIGHUP still reads it again",
			slog.String("error", err.Error()))
	}
}

func (in *instance) watchKeyring(ctx context.Context) {
	if err := in.parts.keyring.Run(ctx); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "the keyring is not watched for changes, SIGHUP still reads it again",
			slog.String("error", err.Error()))
	}
}

// shareFiles sets descriptors for NATS aside, and says so if there are few.
func (in *instance) shareFiles() error {
	limit, _ := maxOpenFiles()
	n, err := shareFiles(in.cfg, in.parts.keyring.Keyring(), limit)
	if err != nil {
		return &fault.Error{Kind: fault.Config, Err: err, Hint: hintFiles}
	}
	in.connections = n
	if n.reduced() {
		in.log.Warn("this process may open few files, so its listeners hold fewer connections", slog.Uint64("files", limit),
			slog.Uint64("set_aside", n.reserved), slog.Int("http_connections", n.web), slog.Int("api_connections", n.api), slog.String("hint", hintFiles))
	}
	return nil
}
