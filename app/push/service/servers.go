package service

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	apipush "usher/api/push"
	"usher/app/push/activation"
	"usher/app/push/lease"
	"usher/directory"
	"usher/internal/tlsfiles"
)

// serversBucket is added to push.bucket for the bucket in which replicas find out who tells the
// push servers what to push. Push workers do not share that.
const serversBucket = "_servers"

// serversLease is the only lease of that bucket.
const serversLease = "servers"

// activation returns the client of push.servers.
func (i *Inside) activation() (*activation.Activation, error) {
	var servers []activation.Server
	for n, s := range i.cfg.Config.Push.Servers {
		tls, err := tlsfiles.Client(tlsfiles.Files{CA: s.CAFile, Cert: s.CertFile, Key: s.KeyFile, AllowGroupReadable: i.cfg.Config.Keyring.AllowGroupReadable})
		if err != nil {
			return nil, fmt.Errorf("push.servers[%d]: %w", n, err)
		}
		servers = append(servers, activation.Server{Name: s.Name, Address: s.Address, TLS: tls})
	}
	return activation.New(&activation.Config{
		Servers: servers, Snapshot: i.cfg.Snapshot, Now: i.cfg.Now, Log: i.cfg.Log,
		Authorization: func(ctx context.Context, project *directory.Project, sub *directory.Subscription) (string, error) {
			return apipush.Authorization(ctx, i.box, project, sub)
		},
	})
}

// activate tells the push servers what to push as long as no other process does.
func (i *Inside) activate(ctx context.Context) {
	bucket, err := i.bucket()
	var leases *lease.Leases
	t := &tenure{inside: i}
	if err == nil {
		p := &i.cfg.Config.Push
		leases, err = lease.New(lease.Config{
			JetStream: bucket, Bucket: p.Bucket + serversBucket, Replicas: p.Replicas, Name: Name(),
			Hold: t.hold, Drain: t.end, Log: i.cfg.Log, Now: i.cfg.Now,
		})
	}
	if err != nil {
		i.cfg.Log.LogAttrs(ctx, slog.LevelError, "cannot tell push servers what to push", slog.String("error", err.Error()))
		return
	}
	leases.Want([]string{serversLease})
	leases.Run(ctx)
}

// tenure is the time in which this process tells the push servers what to push.
type tenure struct {
	inside *Inside

	mu   sync.Mutex
	stop func() // nil: another process does
}

func (t *tenure) hold(ids []string) {
	if len(ids) == 0 {
		t.end()
		return
	}
	t.begin()
}

// begin asks the servers anew what they push: another process may have changed it.
func (t *tenure) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		return
	}
	log := t.inside.cfg.Log
	a, err := t.inside.activation()
	if err != nil { // a file has changed since the start
		log.LogAttrs(context.Background(), slog.LevelError, "cannot tell push servers what to push", slog.String("error", err.Error()))
		return
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "this process tells the push servers what to push")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Run(ctx)
	}()
	t.stop = func() {
		cancel()
		<-ended
		a.Close()
	}
}

func (t *tenure) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}
