package service

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	apipush "usher/api/push"
	"usher/api/rest"
	"usher/api/wire"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/push/activation"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/internal/fault"
	"usher/issuer"
	"usher/issuer/sharedkey/box"
)

// InsideConfig is what a running usher has for an Inside.
type InsideConfig struct {
	Config   *config.Config
	Snapshot func() *snapshot.Snapshot
	Keyring  func() *issuer.Keyring
	Store    rest.Store // in which headers are sealed again; nil: the directory is a file
	// Conn is the connection of the directory; nil: the directory is a file.
	Conn *nats.Conn
	// JetStream returns JetStream of an account; needed with push.inside.
	JetStream func(ctx context.Context, account string) (jetstream.JetStream, error)
	Random    io.Reader
	Registry  prometheus.Registerer
	Audit     *audit.Log
	Log       *slog.Logger
	Now       func() time.Time
}

// Inside is what a running usher does for pushes: it pushes (push.inside) or tells push servers
// what to push (push.servers), seals authorization headers again when the keyring changes, and
// tells the API how pushes go, whoever pushes.
type Inside struct {
	cfg     InsideConfig
	api     apipush.Config
	box     *box.Box
	service *Service               // nil: push.inside is off
	servers *activation.Activation // that answers questions; nil: push.servers is empty
	keyring chan struct{}          // the keyring has changed

	mu   sync.Mutex
	conn *nats.Conn // own; nil: none is needed until now
}

// NewInside reads files, and connects nothing.
func NewInside(cfg *InsideConfig) (*Inside, error) {
	c := cfg.Config
	i := &Inside{cfg: *cfg, box: NewBox(cfg.Keyring, cfg.Random, cfg.Now), keyring: make(chan struct{}, 1)}
	client, err := NewClient(&c.Push)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	i.api = apipush.Config{Client: client, Box: i.box, HeaderGrace: c.Push.HeaderGrace, States: states{i}}
	if len(c.Push.Servers) > 0 {
		if i.servers, err = i.activation(); err != nil {
			return nil, fault.InConfig(err)
		}
		i.api.States = i.servers
	}
	if c.Push.Inside {
		if err := i.prepareService(); err != nil {
			return nil, fault.InConfig(err)
		}
	}
	return i, nil
}

func (i *Inside) prepareService() error {
	bucket, err := i.bucket()
	if err != nil {
		return err
	}
	i.service, err = FromParts(&Parts{
		Config: i.cfg.Config, Name: Name(), Snapshot: i.cfg.Snapshot, Keyring: i.cfg.Keyring, Bucket: bucket, JetStream: i.cfg.JetStream,
		Random: i.cfg.Random, Registry: i.cfg.Registry, Audit: i.cfg.Audit, Log: i.cfg.Log, Now: i.cfg.Now,
	})
	return err
}

// bucket returns JetStream of the account of push.bucket. A process with an embedded directory
// is the only one that pushes, and has the bucket there.
func (i *Inside) bucket() (jetstream.JetStream, error) {
	if i.cfg.Conn != nil {
		return jetstream.New(i.cfg.Conn)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.conn == nil {
		opts, err := natsconn.ServiceOptions(i.cfg.Config)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Name("usher push"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true),
			natsconn.LogConnectErrors(i.cfg.Config, i.cfg.Log, i.cfg.Now))
		if i.conn, err = nats.Connect(natsconn.URLs(i.cfg.Config), opts...); err != nil {
			return nil, err
		}
	}
	return jetstream.New(i.conn)
}

// Sealed counts the authorization headers that only one signing key opens, by its public key.
// While there is another key, that key must stay.
func (i *Inside) Sealed() map[string]int {
	s := i.cfg.Snapshot()
	if s == nil {
		return nil
	}
	alone, _ := apipush.Opens(s, i.cfg.Keyring().Signers())
	return alone
}

// API returns the configuration of the API.
func (i *Inside) API() apipush.Config { return i.api }

// PushServers tells the API how the push servers are; nil: there are none.
func (i *Inside) PushServers() func(context.Context) []wire.PushServer {
	if i.servers == nil {
		return nil
	}
	return func(ctx context.Context) (all []wire.PushServer) {
		for _, h := range i.servers.Health(ctx) {
			all = append(all, wire.PushServer(h))
		}
		return all
	}
}

// Run works until ctx ends. Then pushes in progress have callout.drain_timeout to end.
func (i *Inside) Run(ctx context.Context) {
	var running sync.WaitGroup
	if i.cfg.Store != nil {
		running.Go(func() { i.resealHeaders(ctx) })
	}
	if i.service != nil {
		running.Go(func() { i.service.Run(ctx) })
	}
	if i.servers != nil {
		running.Go(func() { i.activate(ctx) })
	}
	running.Wait()
}

// Detail returns a line if usher is to push and cannot. It is a detail of readiness: requests
// are decided all the same.
func (i *Inside) Detail() string {
	if i.service == nil {
		return ""
	}
	if err := i.service.Ready(); err != nil {
		return "push: " + err.Error() + "\n"
	}
	return ""
}

// Close closes connections.
func (i *Inside) Close() {
	if i == nil {
		return
	}
	if i.servers != nil {
		i.servers.Close()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.conn != nil {
		i.conn.Close()
	}
}
