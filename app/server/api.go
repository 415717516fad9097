package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"usher/internal/fault"
	"usher/internal/metrics"
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

// apiStop bounds the time for the last API requests to finish.
const apiStop = 5 * time.Second

// startAPI serves the management API if the configuration has one.
func (srv *Server) startAPI(ctx context.Context) error {
	cfg := &srv.cfg.API
	if cfg.Listen == "" {
		return nil
	}
	maker, err := srv.accountService()
	if err != nil {
		return err
	}
	apiConfig := srv.apiConfig()
	apiConfig.Accounts = maker
	if apiConfig.LogOut, err = srv.logOut(); err != nil {
		return err
	}
	handler, err := api.New(apiConfig)
	if err != nil {
		return err
	}
	var certificates *tls.Config
	if cfg.TLS.CertFile != "" {
		if certificates, err = srv.serverTLS("api.tls", &cfg.TLS); err != nil {
			return err
		}
	}
	srv.api, err = listener.Start(ctx, listener.Config{
		Name: "api.listen", Address: cfg.Listen, Handler: handler, TLS: certificates, MaxConnections: srv.connections.API, Log: srv.log,
	})
	if err != nil {
		return listenFailed("api.listen", err)
	}
	srv.log.LogAttrs(ctx, slog.LevelInfo, "management API", slog.String("url", srv.APIURL()))
	return nil
}

// apiConfig returns what every listener of the API shares.
func (srv *Server) apiConfig() api.Config {
	cfg := &srv.cfg.API
	return api.Config{
		AccountRequired: srv.cfg.NATS.Mode == config.ModeOperator,
		Store:           srv.apiStore(), Audit: srv.audit.WriteChange, Now: srv.Parts.Now, Random: rand.Reader, NewID: assembly.NewRequestID, Log: srv.log, Tracer: srv.tracers.api,
		Explain: srv.explainUser, Directory: srv.directoryView, Version: version.Semver(), DefaultAccount: srv.cfg.Accounts.ServiceAdmin,
		Policy: srv.Parts.Policy, MaxPayload: srv.maxPayload, Reserved: []string{srv.cfg.Accounts.Callout, srv.cfg.Accounts.System},
		Messages: srv.messages.Store(), AckKeys: srv.messages.AckKeys(), Streams: srv.messages.Streams(), ServiceTokens: srv.serviceTokens, MessageMemory: int64(srv.cfg.API.MessageMemory),
		Push: srv.push.API(), PushServers: srv.push.PushServers(), Observe: func(e rest.Ended) { srv.ObserveAPI(metrics.APIRequest(e)) },
		Sessions: sessionsAPI{srv.sessions, srv.explanationInputs}, SessionClosed: srv.audit.WriteSessionClosed,
		KeyIn: rest.KeyIn(cfg.KeyIn), FailedKeys: float64(cfg.FailuresPerSecond), MaxBody: int64(cfg.MaxBody), Timeout: cfg.Timeout,
	}
}

// apiStore returns the directory as the API uses it.
func (srv *Server) apiStore() rest.Store {
	if bucket, ok := srv.Parts.Store.(*assembly.Bucket); ok {
		return bucket
	}
	return rest.ReadOnlyStore{
		Directory: srv.Parts.Store,
		Edited:    "it is the file " + srv.cfg.Directory.File + " on the machine of usher: edit that file, and usher loads it again by itself",
	}
}

// maxPayload returns max_payload of the servers in bytes; 0: not known.
func (srv *Server) maxPayload() int64 {
	if bucket, ok := srv.Parts.Store.(*assembly.Bucket); ok {
		return bucket.Conn.MaxPayload()
	}
	return 0
}

// serverTLS returns the TLS of a listener, whose certificate is loaded again when it
// changes.
func (srv *Server) serverTLS(section string, files *config.APITLS) (*tls.Config, error) {
	c := &listener.Certificate{Key: section, CertFile: files.CertFile, KeyFile: files.KeyFile, AllowGroup: srv.cfg.Keyring.AllowGroupReadable, Log: srv.log}
	if _, err := c.Get(nil); err != nil {
		err = fault.InConfig(fmt.Errorf("%s: %w", section, err))
		var e *fault.Error
		if errors.As(err, &e) && e.Hint == "" {
			e.Hint = section + " takes a certificate and the private key of it as PEM files; usher check tells more"
		}
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.Get}, nil
}

// APIURL returns the address of the API, or empty if it is off.
func (srv *Server) APIURL() string {
	if srv.api == nil {
		return ""
	}
	scheme := "http://"
	if srv.cfg.API.TLS.CertFile != "" {
		scheme = "https://"
	}
	return scheme + dialAddress(srv.api)
}

// dialAddress returns an address of a listener at which this machine can reach it.
func dialAddress(l *listener.Server) string {
	addr, ok := l.Addr().(*net.TCPAddr)
	if ok && addr.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(addr.Port))
	}
	return l.Addr().String()
}

// explainUser explains what any valid key of a user may do.
func (srv *Server) explainUser(user, project string) any {
	return explanation.ForUser(srv.explanationInputs(), user, identity.Selection{Project: project})
}

func (srv *Server) explanationInputs() explanation.Inputs {
	inputs := srv.Parts.ExplanationInputs()
	inputs.MaxPayload = int(srv.maxPayload())
	return inputs
}

// directoryView reports how current the directory is.
func (srv *Server) directoryView() wire.Directory {
	bucket, ok := srv.Parts.Store.(*assembly.Bucket)
	if !ok {
		return wire.Directory{Current: !srv.directoryReloads.failed.Load(), AsOf: srv.Parts.Store.LoadedAt()}
	}
	return viewOf(bucket.Status(), srv.Parts.Now())
}

// currentWithin is the maximum age of a current view. usher polls the bucket every two
// seconds.
const currentWithin = 15 * time.Second

// viewOf does not take a view for current that is from times to come: the clock
// has been put back since.
func viewOf(s kv.Status, now time.Time) wire.Directory {
	return wire.Directory{Current: s.Loaded && now.Sub(s.Checked).Abs() < currentWithin, AsOf: s.Checked}
}
