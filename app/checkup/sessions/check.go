package sessions

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/internal/fault"
	"usher/issuer/operator"
)

// Server is a server that the service user can connect to.
type Server struct {
	ID, Name, URL string
	TLSName       string // that its certificate must have; empty: that of the URL
}

// limit is how long each question may take.
const limit = 2 * time.Second

const (
	userCheck = "sessions user"
	howTo     = "docs/how-to/system-user.md has the user for both modes"
)

// CheckFiles appends what it finds about the section sessions without any server.
func CheckFiles(f *finding.List, cfg *config.Config) {
	if !cfg.Sessions.Configured() {
		if cfg.Revocation.When == config.RevokeImmediately {
			f.OK(userCheck, "", "none is configured: a session that has lost something stays until its user JWT ends (as with revocation.when: next_connect); usher init makes such a user, and %s", howTo)
		}
		return
	}
	if sameAsSystemUser(cfg) {
		f.Warn(userCheck, "", howTo, "it is the same user as that of usher check: each needs permissions that the other does not")
	}
	_, err := natsconn.SessionsOptions(cfg)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Warn(userCheck, "", "run usher check on the machine that has it", "%v: the user of the system account is not checked", err)
	case err != nil:
		f.Failed(userCheck, fault.InConfig(err))
	}
}

// sameAsSystemUser reports whether usher check and sessions have one user.
func sameAsSystemUser(cfg *config.Config) bool {
	same := func(a, b string) bool { return a != "" && a == b }
	s := &cfg.Sessions
	return same(s.User, cfg.NATS.SystemUser) || same(s.NKeyFile, cfg.NATS.SystemNKeyFile) || same(s.CredsFile, cfg.Operator.SystemCredsFile)
}

// Check appends what it finds on servers, and about the running ushers.
func Check(ctx context.Context, f *finding.List, cfg *config.Config, servers []Server, now time.Time) {
	if cfg.Sessions.Configured() {
		for i := range servers {
			checkUser(ctx, f, cfg, &servers[i])
		}
	}
	checkRunning(ctx, f, cfg, now)
}

// checkUser checks the user of the system account on one server.
func checkUser(ctx context.Context, f *finding.List, cfg *config.Config, s *Server) {
	own := *cfg
	if s.TLSName != "" {
		own.NATS.TLS.ServerName = s.TLSName
	}
	opts, err := natsconn.SessionsOptions(&own)
	if err != nil {
		return // CheckFiles reports it
	}
	nc, err := nats.Connect(s.URL, append(opts, nats.Name("usher-check-sessions"), nats.Timeout(limit), nats.NoReconnect(), nats.IgnoreDiscoveredServers(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	switch {
	case err == nil:
	case errors.Is(err, nats.ErrAuthorization):
		f.Fail(fault.Config, userCheck, s.URL, userHint(cfg), "the server denies the user of the system account for sessions: %v", err)
		return
	case natsconn.TimedOut(err), natsconn.AuthTimedOut(err): // the service user can connect; whose time is over first does not matter
		f.Fail(fault.Config, userCheck, s.URL, userHint(cfg), "the server does not let in the user of the system account for sessions; it asks usher, which does not answer: %v", err)
		return
	default:
		f.Fail(fault.Runtime, userCheck, s.URL, "the service user can connect to this server: compare both in usher.yaml", "cannot connect as the user of the system account for sessions: %v", err)
		return
	}
	defer nc.Close()
	u := user{ctx: ctx, nc: nc, server: s}
	missing := u.missing()
	switch {
	case u.err != nil:
		f.Fail(fault.Runtime, userCheck, s.URL, "run usher check again", "%v", u.err)
	case len(missing) > 0:
		f.Fail(fault.Config, userCheck, s.URL, userHint(cfg), "it may not: %s", strings.Join(missing, "; "))
	case !u.answered:
		f.Fail(fault.Config, userCheck, s.URL, userHint(cfg), "the server does not answer it: is it a user of %s?", cfg.Accounts.System)
	case u.byCallout && cfg.Sessions.NKeyFile == "": // a user with an nkey of the server's configuration looks the same
		f.Fail(fault.Config, userCheck, s.URL, "name it in auth_callout.auth_users", "the server asks usher about this user: while no usher answers, none can connect to close sessions")
	default:
		if more := u.more(); more != "" {
			f.Warn(userCheck, s.URL, userHint(cfg), "it may do more than sessions need: %s; whoever has its credential can do that, too", more)
			return
		}
		f.OK(userCheck, s.URL, "it can list and close connections, and nothing else")
	}
}

// userHint says how to make the user.
func userHint(cfg *config.Config) string {
	publish, subscribe := operator.SessionSubjects()
	hint := "let it publish " + strings.Join(publish, ", ") + ", subscribe to " + strings.Join(subscribe, ", ") + ", and nothing else"
	if cfg.NATS.Mode != config.ModeOperator {
		hint += "; name it in auth_callout.auth_users"
	}
	return hint + " (" + howTo + ")"
}
