package service

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	apipush "usher/api/push"
	"usher/app/config"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/internal/outbound"
	"usher/internal/ownedfile"
	"usher/internal/secretfile"
	"usher/issuer"
	"usher/issuer/sharedkey"
	"usher/issuer/sharedkey/box"
)

// headers is the purpose of the keys that seal authorization headers (package sharedkey).
const headers = "push authorization"

// NewBox returns what seals the authorization headers of subscriptions.
func NewBox(keyring func() *issuer.Keyring, random io.Reader, now func() time.Time) *box.Box {
	return box.New(sharedkey.New(keyring, headers, now), random)
}

// NewClient returns the client for endpoints of a configuration.
func NewClient(cfg *config.Push) (*outbound.Client, error) {
	rules := outbound.Rules{AllowHTTP: cfg.AllowHTTP, Timeout: cfg.Timeout, MaxIdle: cfg.Concurrency, MaxPerHost: cfg.Concurrency}
	for _, text := range cfg.AllowNetworks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("push.allow_networks: %w", err)
		}
		rules.AllowNetworks = append(rules.AllowNetworks, network)
	}
	for _, text := range cfg.Ports {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("push.ports: %w", err)
		}
		rules.Ports = append(rules.Ports, uint16(port))
	}
	if cfg.CAFile != "" {
		// Whoever can replace it chooses which endpoints are trusted.
		if err := secretfile.Check(cfg.CAFile, ownedfile.Rule{}); err != nil {
			return nil, fmt.Errorf("push.ca_file: %w", err)
		}
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("push.ca_file: %w", err)
		}
		rules.RootCAs = x509.NewCertPool()
		if !rules.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("push.ca_file: contains no certificate (PEM)")
		}
	}
	return outbound.New(rules), nil
}

// Parts are what a running usher has for a Service.
type Parts struct {
	Config    *config.Config
	Name      string
	Snapshot  func() *snapshot.Snapshot
	Keyring   func() *issuer.Keyring
	Bucket    jetstream.JetStream
	JetStream func(ctx context.Context, account string) (jetstream.JetStream, error)
	Random    io.Reader
	Registry  prometheus.Registerer
	Audit     *audit.Log
	Log       *slog.Logger
	Now       func() time.Time
}

// FromParts returns the Service of a configuration.
func FromParts(p *Parts) (*Service, error) {
	client, err := NewClient(&p.Config.Push)
	if err != nil {
		return nil, err
	}
	sealed := NewBox(p.Keyring, p.Random, p.Now)
	return New(Config{
		Config: p.Config, Name: p.Name, Snapshot: p.Snapshot, Bucket: p.Bucket, JetStream: p.JetStream,
		Authorization: func(ctx context.Context, project *directory.Project, sub *directory.Subscription) (string, error) {
			return apipush.Authorization(ctx, sealed, project, sub)
		},
		Previous: func(ctx context.Context, project *directory.Project, sub *directory.Subscription) (string, error) {
			return apipush.PreviousAuthorization(ctx, sealed, project, sub)
		},
		Client: client, Registry: p.Registry, Audit: p.Audit, Log: p.Log, Now: p.Now,
	})
}
