package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"usher/api/listener"
	"usher/app/assembly"
	"usher/app/config"
	"usher/app/messages/accountconn"
	"usher/app/natsconn"
	"usher/directory/kv"
	"usher/internal/fault"
	"usher/internal/metrics"
	"usher/internal/secret"
	"usher/internal/version"
)

// webConnections is how many connections http.listen accepts.
const webConnections = 64

// Process is one running "usher push".
type Process struct {
	cfg      *config.Config
	log      *slog.Logger
	parts    *assembly.Parts
	audit    *assembly.Audit
	conn     *nats.Conn
	pool     *accountconn.Pool
	registry *prometheus.Registry
	service  *Service
	ams      *messaging // nil: none

	AroundReload func(reload func()) // runs a reload after SIGHUP
}

// Open reads all files. It connects as usher serve does, and retries for ever.
func Open(cfg *config.Config, log *slog.Logger, stderr io.Writer) (*Process, error) {
	switch cfg.Directory.From {
	case config.DirectoryEmbedded:
		return nil, &fault.Error{
			Kind: fault.Config, Err: errors.New("directory.from: embedded: only usher serve can read this directory"),
			Hint: "set push.inside, so that usher serve pushes; or set directory.from: kv",
		}
	case config.DirectoryFile:
		return nil, &fault.Error{
			Kind: fault.Config, Err: errors.New("directory.from: file: usher push needs the directory in a bucket, where endpoints are verified"),
			Hint: "set directory.from: kv; usher directory import copies the file into a bucket",
		}
	}
	own := *cfg
	own.Directory.SnapshotFile = "" // that of usher serve; without JetStream there is nothing to push
	p := &Process{cfg: &own, log: log, registry: prometheus.NewRegistry(), AroundReload: func(reload func()) { reload() }}
	if err := p.open(stderr); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Process) open(stderr io.Writer) error {
	var err error
	p.parts, err = assembly.New(p.cfg, p.log, assembly.Observers{Changed: func(kv.Changed) {}})
	if err != nil {
		return err
	}
	if p.audit, err = assembly.OpenAudit(&assembly.AuditConfig{Config: p.cfg, Keyring: p.parts.Keyring.Keyring, Spool: "-push", Log: p.log, Stderr: stderr, Now: p.parts.Now}); err != nil {
		return fault.InConfig(err)
	}
	opts, err := natsconn.ServiceOptions(p.cfg)
	if err != nil {
		return fault.InConfig(err)
	}
	opts = append(opts, nats.Name("usher push"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true),
		natsconn.LogConnectErrors(p.cfg, p.log, p.parts.Now), nats.ConnectHandler(p.connected))
	if p.conn, err = nats.Connect(natsconn.URLs(p.cfg), opts...); err != nil {
		return err
	}
	bucket, err := jetstream.New(p.conn)
	if err != nil {
		return err
	}
	accounts, err := accountconn.FromConfig(p.cfg, p.parts.Keyring.Keyring, p.parts.Now, p.log)
	if err == nil {
		p.pool, err = accountconn.New(accounts)
	}
	if err != nil {
		return fault.InConfig(err)
	}
	p.service, err = FromParts(&Parts{
		Config: p.cfg, Name: Name(), Snapshot: p.parts.Store.Snapshot, Keyring: p.parts.Keyring.Keyring,
		Bucket: bucket, JetStream: p.pool.JetStream, Random: rand.Reader, Registry: p.registry, Audit: p.audit.Log, Log: p.log, Now: p.parts.Now,
	})
	if err == nil {
		p.ams, err = openMessaging(p.cfg, p.service, p.parts.Now, p.log)
	}
	if err != nil {
		return fault.InConfig(err)
	}
	metrics.RegisterProcess(p.registry, version.Semver(), p.Ready)
	metrics.RegisterState(p.registry, assembly.CertificateState(p.cfg))
	return nil
}

// connected warns of a bucket that one server of a cluster stores.
func (p *Process) connected(nc *nats.Conn) {
	if p.cfg.Push.Replicas == 1 && nc.ConnectedClusterName() != "" {
		p.log.LogAttrs(context.Background(), slog.LevelWarn, "push.replicas is 1 in a cluster: nobody pushes while the server that stores push.bucket is down",
			slog.String("bucket", p.cfg.Push.Bucket), slog.String("cluster", nc.ConnectedClusterName()))
	}
}

// Name returns a name for this process that no other has: that of the machine, and an id.
func Name() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "push"
	}
	safe := make([]byte, 0, len(host))
	for i := range len(host) {
		if c := host[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' {
			safe = append(safe, c)
		}
	}
	const idLength = 8
	id := nuid.Next()
	return string(safe) + "_" + id[len(id)-idLength:]
}

// Run pushes until ctx ends, then drains.
func (p *Process) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, p.Close()) }()
	hangup := make(chan os.Signal, 1) // SIGHUP would end the process otherwise
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	web, err := p.listen(ctx)
	if err != nil {
		return err
	}
	defer web.Stop(time.Second)
	if p.ams != nil {
		stop, err := p.ams.start(ctx)
		if err != nil {
			return err
		}
		defer stop()
		context.AfterFunc(ctx, stop)
	}
	inner, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.watch(inner, "directory", p.parts.Store.Run) })
	running.Go(func() { p.watch(inner, "keyring", p.parts.Keyring.Run) })
	running.Go(func() { p.onHangup(inner, hangup) })
	p.log.LogAttrs(ctx, slog.LevelInfo, "usher push is running", slog.String("worker", p.service.cfg.Name))
	context.AfterFunc(ctx, func() {
		p.log.LogAttrs(inner, slog.LevelInfo, "draining", slog.Duration("timeout", p.cfg.Callout.DrainTimeout))
	})
	p.service.Run(ctx)
	stop()
	running.Wait()
	p.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelInfo, "usher push has stopped")
	return nil
}

func (p *Process) watch(ctx context.Context, what string, run func(context.Context) error) {
	if err := run(ctx); err != nil && ctx.Err() == nil {
		p.log.LogAttrs(ctx, slog.LevelError, "cannot follow changes", slog.String("of", what), slog.String("error", err.Error()))
	}
}

func (p *Process) onHangup(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-hangup:
			p.AroundReload(p.reload)
		case <-ctx.Done():
			return
		}
	}
}

// reload reloads keyring and directory, and reopens the audit file.
func (p *Process) reload() {
	for _, part := range []struct {
		name   string
		reload func() error
	}{{"keyring", p.parts.Keyring.Reload}, {"directory", p.parts.Store.Reload}, {"audit file", p.audit.Reopen}} {
		if err := part.reload(); err != nil {
			p.log.LogAttrs(context.Background(), slog.LevelError, "reload failed; what was in use stays in use", slog.String("of", part.name), slog.String("error", err.Error()))
		} else {
			p.log.LogAttrs(context.Background(), slog.LevelInfo, "reloaded on SIGHUP", slog.String("of", part.name))
		}
	}
}

// listen serves /metrics, /healthz and /readyz.
func (p *Process) listen(ctx context.Context) (*listener.Server, error) {
	if p.cfg.HTTP.Listen == "" {
		return nil, nil //nolint:nilnil // off, which is no error
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(p.registry))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { probe(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { probe(w, p.Ready()) })
	web, err := listener.Start(ctx, listener.Config{Name: "http.listen", Address: p.cfg.HTTP.Listen, Handler: mux, MaxConnections: webConnections, Log: p.log})
	if err != nil {
		return nil, &fault.Error{Kind: fault.Runtime, Err: err, Hint: "usher serve has http.listen too; give usher push another address with --http-listen"}
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "metrics and probes", slog.String("listen", web.Addr().String()))
	return web, nil
}

// Ready returns nil if everything works that this process does.
func (p *Process) Ready() error {
	err := p.service.Ready()
	if p.ams != nil {
		err = errors.Join(err, p.ams.active.Ready())
	}
	return err
}

func probe(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintln(w, secret.RedactDetected(err.Error()))
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// Close closes what Open has opened. Call it for a Process that never runs; Run closes by
// itself.
func (p *Process) Close() error {
	if p.pool != nil {
		p.pool.Close()
	}
	if p.conn != nil {
		p.conn.Close()
	}
	var err error
	if p.parts != nil {
		err = p.parts.Store.Close()
	}
	if p.audit != nil {
		err = errors.Join(err, p.audit.Close())
	}
	return err
}
