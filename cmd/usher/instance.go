package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/api/listener"
	"usher/app/config"
	"usher/callout"
	"usher/callout/admission"
	"usher/directory/file"
	"usher/directory/kv"
	"usher/internal/audit"
	"usher/internal/metrics"
	"usher/issuer/keyring"
)

// instance is one running usher.
type instance struct {
	cfg       *config.Config
	parts     *parts
	log       *slog.Logger
	audit     *audit.Log
	auditFile *audit.File // nil: the audit goes elsewhere
	registry  *prometheus.Registry
	reloads   *reloads // of the directory
	rekeyed   *reloads // of the keyring
	service   *callout.Service
	web       *listener.Server // nil: off
	api       *listener.Server // nil: off
	started   atomic.Bool

	connections connections // of web and api, at most
}

// newInstance reads everything and connects nothing. What fails here is the
// operator's to mend.
func newInstance(cfg *config.Config, stderr io.Writer) (*instance, error) {
	log, err := newLogger(&cfg.Log, stderr)
	if err != nil {
		return nil, configError(err)
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
		err = in.openAudit(stderr)
	}
	if err != nil {
		return nil, errors.Join(configError(err), in.parts.store.Close())
	}
	in.service, err = callout.New(callout.Config{
		URLs: natsURLs(cfg), Options: append(opts, tellAttempts(log, in.parts.now)), Account: serverAccount(cfg, in.parts.keyring.Keyring()),
		Connections: cfg.NATS.Connections, Workers: workers(cfg), Queue: cfg.Callout.Queue,
		Waiters: waiters, Order: admission.Order(cfg.Callout.Order),
		Failures: admission.FailuresConfig{
			PerHost: float64(cfg.Callout.Failures.PerHost), PerCredential: float64(cfg.Callout.Failures.PerCredential), Now: in.parts.now,
		},
		Budget: cfg.Callout.Budget, Leeway: cfg.Callout.ClockSkew, Version: semver(),
		Decider: in.parts.decider, Issuer: in.parts.issuer, Keyring: in.parts.keyring.Keyring,
		Log: log, Audit: in.audit, Metrics: metrics.New(in.registry, callout.MetricCodes()),
		Now: in.parts.now, Random: rand.Reader, NewID: newRequestID, Host: hostName(),
	})
	if err != nil {
		return nil, errors.Join(err, in.closeAudit(), in.parts.store.Close())
	}
	in.registerState()
	in.warn()
	return in, nil
}

// waiters is how many requests may wait for one slow verifier. Waiting costs
// memory only, and no request waits longer than its budget.
const waiters = 1024

// workers returns how many requests are worked on at once.
func workers(cfg *config.Config) int {
	if cfg.Callout.Workers > 0 {
		return cfg.Callout.Workers
	}
	return max(4, 2*runtime.GOMAXPROCS(0))
}

// hostName returns the name of this machine; empty: it has none.
func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// newRequestID returns an id that tells requests apart; it need not be secret.
func newRequestID() string {
	return fmt.Sprintf("%016x%08x", mathrand.Uint64(), mathrand.Uint32()) //nolint:gosec // not a secret
}

func (in *instance) openAudit(stderr io.Writer) error {
	onError := func(err error) {
		in.log.LogAttrs(context.Background(), slog.LevelError, "audit cannot be written", slog.String("error", err.Error()))
	}
	var w io.Writer
	switch in.cfg.Audit.To {
	case "file":
		f, err := audit.OpenFile(in.cfg.Audit.File)
		if err != nil {
			return err
		}
		in.auditFile, w = f, f
	case "off":
		w = io.Discard
	default:
		w = stderr
	}
	in.audit = audit.New(w, onError)
	return nil
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

// run serves until ctx ends, then drains.
func (in *instance) run(ctx context.Context) error {
	return errors.Join(in.serve(ctx, func() {}), in.closeAudit())
}

// serve is run without the audit's end; started is called once everything runs.
func (in *instance) serve(ctx context.Context, started func()) (err error) {
	defer func() { err = errors.Join(err, in.parts.store.Close()) }()
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
	in.log.LogAttrs(ctx, slog.LevelInfo, "usher runs", slog.String("version", semver()),
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

// auditClose is how long the last events may take to be written.
const auditClose = 5 * time.Second

func (in *instance) closeAudit() error {
	ctx, cancel := context.WithTimeout(context.Background(), auditClose)
	defer cancel()
	if err := in.audit.Close(ctx); err != nil {
		return err // a file that is stuck in a write cannot be closed either
	}
	if in.auditFile != nil {
		return in.auditFile.Close()
	}
	return nil
}
