package revocation_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/app/rotation"
	"usher/app/sessions/revocation"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
	"usher/permissions"
)

// granted keeps the sessions that a service has granted.
type granted struct{ all sync.Map }

// Granted implements callout.Sessions.
func (g *granted) Granted(s *session.Session) { g.all.Store(s.Identity.Name, s) }

// Find implements callout.Sessions.
func (*granted) Find(session.ID) (*session.Session, bool) { return nil, false }

// A user JWT that is revoked in the account JWT ends its connection on every server, and does
// not let anybody in again. The entry goes after the end of the user JWT; those of others stay.
func TestRevokeUserJWTs(t *testing.T) {
	t.Parallel()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Servers: 2})
	var sessions granted
	callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML), MaxLifetime: time.Hour, Sessions: &sessions,
	})
	r := &rotation.Rotator{
		Dir: o.Keyring, Config: keyring.Config{Callout: callouttest.CalloutAccount}, Now: time.Now, Progress: func(line string) { t.Log(line) },
		Operator: &rotation.Operator{Cluster: operator.NewCluster(o.ConnectSystem(t), 0), Dir: operator.Dir(o.JWTDir), Signer: o.SigningKey},
	}
	var pushes atomic.Int64
	var later atomic.Int64 // seconds that have passed
	var log callouttest.Buffer
	edit := func(ctx context.Context, account string, apply func(*jwt.AccountClaims) error) error {
		return r.Edit(ctx, issuer.Account{Name: account, PublicKey: o.Accounts[account]}, apply)
	}
	u := revocation.NewUserJWTs(revocation.UserJWTsConfig{
		Open: func(ctx context.Context, do func(revocation.Edit) error) error {
			return do(func(account string, apply func(*jwt.AccountClaims) error) error {
				pushes.Add(1)
				return edit(ctx, account, apply)
			})
		},
		Accounts: func() ([]string, error) { return []string{callouttest.AppAccount}, nil },
		Mine:     func(session.ID) bool { return true },
		Log:      slog.New(slog.NewTextHandler(&log, nil)),
		Now:      func() time.Time { return time.Now().Add(time.Duration(later.Load()) * time.Second) },
	})

	// A user JWT that somebody holds, as nobody holds one of auth callout.
	seed, public := callouttest.NewSeed(t, nkeys.PrefixByteUser)
	kp, err := nkeys.FromSeed([]byte(seed))
	must(t, err)
	claims := jwt.NewUserClaims(public)
	claims.IssuerAccount = o.Accounts[callouttest.AppAccount]
	signing, err := nkeys.FromSeed([]byte(o.Signing[callouttest.AppAccount].IssuerSeed))
	must(t, err)
	text, err := claims.Encode(signing)
	must(t, err)
	held := func(server int) (*nats.Conn, error) {
		return nats.Connect(o.Servers[server].URL(), nats.NoReconnect(), callouttest.ConnectTimeout(), nats.IgnoreDiscoveredServers(),
			nats.UserJWT(func() (string, error) { return text, nil }, kp.Sign))
	}
	byJWT, err := held(1)
	must(t, err)
	defer byJWT.Close()
	byCallout, err := nats.Connect(o.Servers[0].URL(), nats.Token("publisher-key"), nats.NoReconnect(), callouttest.ConnectTimeout())
	must(t, err)
	defer byCallout.Close()
	stays, err := nats.Connect(o.Servers[0].URL(), nats.Token("here-key"), nats.NoReconnect(), callouttest.ConnectTimeout())
	must(t, err)
	defer stays.Close()
	var found any
	callouttest.Eventually(t, "the session is known", func() bool {
		var ok bool
		found, ok = sessions.all.Load("publisher")
		return ok
	})
	publisher, ok := found.(*session.Session)
	if !ok {
		t.Fatal(found)
	}

	_, foreignKey := callouttest.NewSeed(t, nkeys.PrefixByteUser)
	must(t, edit(t.Context(), callouttest.AppAccount, func(c *jwt.AccountClaims) error {
		c.Revoke(foreignKey)
		return nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { u.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	callouttest.Eventually(t, "it has looked for entries that have ended", func() bool { return pushes.Load() == 1 })
	u.Revoke([]revocation.Closing{
		{Session: publisher, Cause: revocation.CauseLost},
		{Session: &session.Session{
			Grant: permissions.Grant{Account: callouttest.AppAccount}, UserNKey: public, Expires: time.Now().Add(time.Hour),
		}},
	})
	callouttest.Eventually(t, "both are closed", func() bool { return !byJWT.IsConnected() && !byCallout.IsConnected() })
	if pushes.Load() != 2 {
		t.Errorf("%d pushes for two sessions", pushes.Load()-1)
	}
	if err := stays.Flush(); err != nil {
		t.Errorf("another session: %v", err)
	}
	for i := range o.Servers {
		if nc, err := held(i); err == nil {
			nc.Close()
			t.Errorf("server %d takes a user JWT that is revoked", i)
		}
	}
	if again, err := nats.Connect(o.Servers[0].URL(), nats.Token("publisher-key"), nats.NoReconnect(), callouttest.ConnectTimeout()); err != nil {
		t.Errorf("a new user JWT of the same user: %v", err)
	} else {
		again.Close()
	}
	entries := func() jwt.RevocationList {
		servers, err := r.Servers(t.Context())
		must(t, err)
		c, _, _, err := r.Operator.Cluster.Newest(t.Context(), o.Accounts[callouttest.AppAccount], servers)
		must(t, err)
		return c.Revocations
	}
	if list := entries(); len(list) != 3 {
		t.Errorf("entries %v", list)
	}

	later.Store(2 * 3600)
	u.Revoke(nil)
	callouttest.Eventually(t, "the entries are removed", func() bool { return len(entries()) == 1 })
	if list := entries(); list[foreignKey] == 0 {
		t.Errorf("the entry of somebody else is gone: %v", list)
	}
	if log.String() != "" {
		t.Error(log.String())
	}
}
