package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"usher/internal/fault"
	"usher/internal/version"

	"usher/api"
	"usher/api/listener"
	"usher/api/rest"
	"usher/api/wire"
	"usher/app/assembly"
	"usher/app/config"
	"usher/app/explanation"
	"usher/directory/kv"
	"usher/identity"
)

// apiStop is how long the last requests to the API may take to end.
const apiStop = 5 * time.Second

// startAPI serves the management API, if it is configured.
func (in *Server) startAPI(ctx context.Context) error {
	cfg := &in.cfg.API
	bucket, ok := in.Parts.Store.(*assembly.KVStore)
	if cfg.Listen == "" || !ok {
		return nil
	}
	maker, err := in.accountService()
	if err != nil {
		return err
	}
	handler, err := api.New(api.Config{
		Accounts: maker, AccountRequired: in.cfg.NATS.Mode == config.ModeOperator,
		Store: bucket, Audit: in.audit.WriteChange, Now: in.Parts.Now, Random: rand.Reader, NewID: assembly.NewRequestID, Log: in.log,
		Explain: in.explainUser, Directory: in.directoryView, Version: version.Semver(), DefaultAccount: in.cfg.Accounts.ServiceAdmin,
		Policy: in.Parts.Policy, MaxPayload: bucket.Conn.MaxPayload, Reserved: []string{in.cfg.Accounts.Callout, in.cfg.Accounts.System},
		KeyIn: rest.KeyIn(cfg.KeyIn), FailedKeys: float64(cfg.FailuresPerS), MaxBody: int64(cfg.MaxBody), Timeout: cfg.Timeout,
	})
	if err != nil {
		return err
	}
	var certificates *tls.Config
	if cfg.TLS.CertFile != "" {
		c := &listener.Certificate{CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile, AllowGroup: in.cfg.Keyring.AllowGroupReadable, Log: in.log}
		if _, err := c.Get(nil); err != nil {
			return fault.InConfig(fmt.Errorf("api.tls: %w", err))
		}
		certificates = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.Get}
	}
	in.api, err = listener.Start(ctx, listener.Config{
		Name: "api.listen", Address: cfg.Listen, Handler: handler, TLS: certificates, MaxConnections: in.connections.Api, Log: in.log,
	})
	if err != nil {
		return listenFailed(err)
	}
	in.log.LogAttrs(ctx, slog.LevelInfo, "management API", slog.String("url", in.ApiURL()))
	return nil
}

// ApiURL returns where the API is; empty: it is off.
func (in *Server) ApiURL() string {
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
func (in *Server) explainUser(user, project string) any {
	inputs := in.Parts.Explains()
	if bucket, ok := in.Parts.Store.(*assembly.KVStore); ok {
		inputs.MaxPayload = int(bucket.Conn.MaxPayload())
	}
	return explanation.ForUser(inputs, user, identity.Selection{Project: project})
}

// directoryView says how current the directory is.
func (in *Server) directoryView() wire.Directory {
	bucket, ok := in.Parts.Store.(*assembly.KVStore)
	if !ok {
		return wire.Directory{}
	}
	return viewOf(bucket.Status(), in.Parts.Now())
}

// currentWithin is how long ago a view may have been known to be current to count
// as that: the bucket is asked every two seconds.
const currentWithin = 15 * time.Second

// viewOf does not take a view for current that is from times to come: the clock
// has been put back since.
func viewOf(s kv.Status, now time.Time) wire.Directory {
	return wire.Directory{Current: s.Loaded && now.Sub(s.Checked).Abs() < currentWithin, AsOf: s.Checked}
}
