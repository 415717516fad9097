package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"usher/api"
	"usher/api/listener"
	"usher/api/wire"
	"usher/app/config"
	"usher/app/explanation"
	"usher/directory/kv"
	"usher/identity"
	"usher/internal/ownedfile"
)

// apiStop is how long the last requests to the API may take to end.
const apiStop = 5 * time.Second

// startAPI serves the management API, if it is configured.
func (in *instance) startAPI(ctx context.Context) error {
	cfg := &in.cfg.API
	bucket, ok := in.parts.store.(*kvStore)
	if cfg.Listen == "" || !ok {
		return nil
	}
	maker, err := in.accountService()
	if err != nil {
		return err
	}
	handler, err := api.New(api.Config{
		Accounts: maker, AccountStated: in.cfg.NATS.Mode == config.ModeOperator,
		Store: bucket, Audit: in.audit.WriteChange, Now: in.parts.now, Random: rand.Reader, NewID: newRequestID, Log: in.log,
		Explain: in.explainUser, Directory: in.directoryView, Version: semver(), DefaultAccount: in.cfg.Accounts.ServiceAdmin,
		Policy: in.parts.policy, MaxPayload: bucket.conn.MaxPayload, Reserved: []string{in.cfg.Accounts.Callout, in.cfg.Accounts.System},
		KeyIn: api.KeyIn(cfg.KeyIn), FailedKeys: float64(cfg.FailuresPerS), MaxBody: int64(cfg.MaxBody), Timeout: cfg.Timeout,
	})
	if err != nil {
		return err
	}
	var certificates *tls.Config
	if cfg.TLS.CertFile != "" {
		c := &certificate{cert: cfg.TLS.CertFile, key: cfg.TLS.KeyFile, allowGroup: in.cfg.Keyring.AllowGroupReadable, log: in.log}
		if _, err := c.get(nil); err != nil {
			return configError(fmt.Errorf("api.tls: %w", err))
		}
		certificates = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	}
	in.api, err = listener.Start(ctx, listener.Config{
		Name: "api.listen", Address: cfg.Listen, Handler: handler, TLS: certificates, Connections: in.connections.api, Log: in.log,
	})
	if err != nil {
		return listenFailed(err)
	}
	in.log.LogAttrs(ctx, slog.LevelInfo, "management API", slog.String("url", in.apiURL()))
	return nil
}

// apiURL returns where the API is; empty: it is off.
func (in *instance) apiURL() string {
	if in.api == nil {
		return ""
	}
	scheme := "http://"
	if in.cfg.API.TLS.CertFile != "" {
		scheme = "https://"
	}
	addr, ok := in.api.Addr().(*net.TCPAddr)
	if ok && addr.IP.IsUnspecified() {
		return scheme + net.JoinHostPort("127.0.0.1", fmt.Sprint(addr.Port))
	}
	return scheme + in.api.Addr().String()
}

// explainUser answers what "usher explain" would of any good key of a user.
func (in *instance) explainUser(user, project string) any {
	inputs := in.parts.explains()
	if bucket, ok := in.parts.store.(*kvStore); ok {
		inputs.MaxPayload = int(bucket.conn.MaxPayload())
	}
	return explanation.ForUser(inputs, user, identity.Selection{Project: project})
}

// directoryView says how current the directory is.
func (in *instance) directoryView() wire.Directory {
	bucket, ok := in.parts.store.(*kvStore)
	if !ok {
		return wire.Directory{}
	}
	return viewOf(bucket.Status(), in.parts.now())
}

// currentWithin is how long ago a view may have been known to be current to count
// as that: the bucket is asked every two seconds.
const currentWithin = 15 * time.Second

// viewOf does not take a view for current that is from times to come: the clock
// has been put back since.
func viewOf(s kv.Status, now time.Time) wire.Directory {
	return wire.Directory{Current: s.Loaded && now.Sub(s.Checked).Abs() < currentWithin, AsOf: s.Checked}
}

// certificate is a pair of files, read again when one of them has changed.
type certificate struct {
	cert, key  string
	allowGroup bool
	log        *slog.Logger

	mu   sync.Mutex
	pair *tls.Certificate
	seen [2]time.Time
}

// get returns the certificate; if the files are not good, the last one that was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := [2]time.Time{modified(c.cert), modified(c.key)}
	if c.pair != nil && seen == c.seen {
		return c.pair, nil
	}
	c.seen = seen
	pair, err := c.load()
	switch {
	case err == nil:
		c.pair = pair
	case c.pair == nil:
		return nil, err
	default:
		c.log.Error("the certificate of the API cannot be read again, the last good one stays", slog.String("error", err.Error()))
	}
	return c.pair, nil
}

func (c *certificate) load() (*tls.Certificate, error) {
	if err := checkFile(c.key, ownedfile.Rule{Secret: true, GroupRead: c.allowGroup}); err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	if err := ownedfile.Check(c.cert, ownedfile.Rule{}); err != nil {
		return nil, fmt.Errorf("cert_file: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
