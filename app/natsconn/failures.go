package natsconn

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"usher/app/config"
	"usher/internal/secret"

	"github.com/nats-io/nats.go"
)

// logAgain is the interval at which the same cause is logged again. Connections retry for
// ever, several times a second.
const logAgain = time.Minute

// LogConnectErrors returns an option that logs why connections of the service fail.
func LogConnectErrors(cfg *config.Config, log *slog.Logger, now func() time.Time) nats.Option {
	f := failures{
		log: func(a ...slog.Attr) {
			log.LogAttrs(context.Background(), slog.LevelError, "cannot connect to NATS; retrying", a...)
		},
		at: "nats", urls: URLs(cfg), login: serviceLogin(cfg), tls: &cfg.NATS.TLS,
		refused: "the service user must be one of the server's auth_users, with this credential; usher check tells which part does not match",
		other:   "is nats-server running at nats.urls? usher check tries each server", now: now,
	}
	return nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { f.add(err) })
}

// LogSessionsErrors returns an option that logs why the connection of sessions to the system
// account fails.
func LogSessionsErrors(cfg *config.Config, log *slog.Logger, now func() time.Time) nats.Option {
	f := failures{
		log: func(a ...slog.Attr) {
			log.LogAttrs(context.Background(), slog.LevelError, "live sessions: cannot connect to the system account; retrying", a...)
		},
		at: "sessions", urls: URLs(cfg), login: sessionsLogin(cfg), tls: &cfg.NATS.TLS,
		refused: "the system account must have a user with the credential of sessions, in config mode also among auth_users; usher init makes one",
		other:   "is nats-server running at nats.urls? usher check tries each server", now: now,
	}
	return nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { f.add(err) })
}

// LogBridgeErrors returns a function that logs why the connection of stan_bridge fails.
func LogBridgeErrors(cfg *config.Config, log *slog.Logger, now func() time.Time) func(error) {
	f := failures{
		log: func(a ...slog.Attr) {
			log.LogAttrs(context.Background(), slog.LevelError, "STAN bridge: cannot connect to NATS; retrying", a...)
		},
		at:   "stan_bridge",
		urls: strings.Join(cfg.StanBridge.URLs, ","), login: bridgeLogin(cfg), tls: bridgeTLS(cfg),
		refused: "the server must have a user for the certificate or the credential of stan_bridge",
		other:   "is nats-server running at stan_bridge.urls? usher check tries it", now: now,
	}
	return f.add
}

// LogAccountErrors returns a function that logs why usher's own connections into the accounts
// of projects fail.
func LogAccountErrors(cfg *config.Config, log *slog.Logger, now func() time.Time) func(account string, err error) {
	f := failures{
		at: "nats", urls: URLs(cfg), login: login{user: "usher-service"}, tls: &cfg.NATS.TLS,
		refused: "usher itself refused the token, or did not answer; its log says why under a request of user usher-service",
		other:   "is nats-server running at nats.urls? usher check tries each server", now: now,
	}
	f.log = func(a ...slog.Attr) {
		log.LogAttrs(context.Background(), slog.LevelError, "cannot connect into the account of a project; retrying", a...)
	}
	return func(account string, err error) {
		f.addOf(account, err)
	}
}

// failures logs why a connection fails: each cause at once, and then not more than once in
// logAgain.
type failures struct {
	log            func(...slog.Attr)
	at, urls       string // at: path of the section of the configuration
	login          login
	tls            *config.TLS
	refused, other string // hints
	now            func() time.Time

	mu     sync.Mutex
	logged map[string]time.Time // by cause
}

func (f *failures) add(err error) { f.addOf("", err) }

// addOf is add for a connection into one of several accounts; empty: there is only one.
func (f *failures) addOf(account string, err error) {
	if !f.due(account + " " + cause(err)) {
		return
	}
	var of []slog.Attr
	if account != "" {
		of = append(of, slog.String("account", account))
	}
	f.log(append(of,
		slog.String("error", secret.RedactDetected(err.Error())), slog.String("urls", f.urls), slog.String("user", f.user()), slog.String("hint", f.hint(err)),
	)...)
}

func (f *failures) due(cause string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	maps.DeleteFunc(f.logged, func(_ string, at time.Time) bool { return now.Sub(at) >= logAgain })
	if _, ok := f.logged[cause]; ok {
		return false
	}
	if f.logged == nil {
		f.logged = map[string]time.Time{}
	}
	f.logged[cause] = now
	return true
}

// cause is what is the same in two failures with one cause: the texts of package net have
// the port of this side, which is another one each time.
func cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Source != nil {
		return op.Op + " " + op.Err.Error()
	}
	return err.Error()
}

// hint says what to do about a connection that failed.
func (f *failures) hint(err error) string {
	if hint := tlsHint(err, f.at, f.tls, f.now()); hint != "" {
		return hint
	}
	if errors.Is(err, nats.ErrAuthorization) || AuthTimedOut(err) {
		return f.refused
	}
	return f.other
}

// user describes who connects without the secret: a name, or the key of the configuration
// that names the credentials.
func (f *failures) user() string {
	switch {
	case f.login.nkeyFile != "":
		return f.at + ".nkey_file"
	case f.login.credsFile != "":
		return f.at + ".creds_file"
	case f.login.user == "" && f.tls.CertFile != "":
		return f.at + ".tls.cert_file"
	default:
		return f.login.user
	}
}
