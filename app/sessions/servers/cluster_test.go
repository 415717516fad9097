package servers_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/app/sessions"
	"usher/app/sessions/servers"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/issuer/operator"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func isNotPermitted(err error) bool { return errors.Is(err, servers.ErrNotPermitted) }

// sessionsCreds returns the credentials of a user as usher init --operator makes it.
func sessionsCreds(t *testing.T, o *callouttest.Operator) string {
	t.Helper()
	seed, public := callouttest.NewSeed(t, nkeys.PrefixByteUser)
	c := jwt.NewUserClaims(public)
	publish, subscribe := operator.SessionSubjects()
	c.Pub.Allow.Add(publish...)
	c.Sub.Allow.Add(subscribe...)
	text, err := c.Encode(o.Identity[callouttest.SystemAccount])
	callouttest.Must(t, err)
	content, err := jwt.FormatUserConfig(text, []byte(seed))
	callouttest.Must(t, err)
	file := filepath.Join(t.TempDir(), "sessions.creds")
	callouttest.Must(t, os.WriteFile(file, content, 0o600))
	return file
}

// In operator mode, with two servers: sessions of both are known and closed over one
// connection, adopted with their selection, and removed with their server.
func TestCluster(t *testing.T) {
	t.Parallel()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Servers: 2})
	f := newFixture()
	f.hold = true
	f.registry = sessions.New()
	callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Sessions: f})
	first, second := o.Servers[0], o.Servers[1]
	near := client(t, first.URL(), "publisher-key")
	far, err := nats.Connect(second.URL(), nats.UserInfo("project=far", "both-key"), nats.NoReconnect(), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	t.Cleanup(far.Close)
	o.ConnectAdmin(t)

	cfg := defaults()
	cfg.GoneAfter = time.Second
	cfg.Private = []string{o.Accounts[callouttest.CalloutAccount], o.Accounts[callouttest.SystemAccount]}
	cfg.AccountName = func(id string) string {
		for name, public := range o.Accounts {
			if public == id {
				return name
			}
		}
		return id
	}
	f.connect(t, cfg, first.URL(), nats.UserCredentials(sessionsCreds(t, o)), nats.DontRandomize(), nats.IgnoreDiscoveredServers())
	both := []*server.Server{first.NATSServer(), second.NATSServer()}
	callouttest.Eventually(t, "both are adopted", func() bool { return f.registry.Len() == 2 })
	f.waitEqual(t, both...)
	id := f.the(t, "both")
	x, _ := f.registry.Find(id)
	if x.Server != second.NATSServer().ID() || x.Identity.Selection.Project != "far" || x.Grant.Account != callouttest.OtherAccount {
		t.Errorf("%+v", x)
	}
	details, err := f.Details(t.Context(), []session.ID{id, f.the(t, "publisher")}, false)
	callouttest.Must(t, err)
	if len(details) != 2 {
		t.Errorf("details of %d", len(details))
	}
	callouttest.Must(t, f.Kick(t.Context(), id))
	callouttest.Eventually(t, "the client of the other server is disconnected", far.IsClosed)
	if !near.IsConnected() {
		t.Error("a client that was not named was closed")
	}

	client(t, second.URL(), "consumer-key")
	f.the(t, "consumer")
	second.Stop()
	callouttest.Eventually(t, "the sessions of the server that stopped are removed", func() bool { return f.registry.Len() == 1 })
	second.Start(t)
	client(t, second.URL(), "consumer-key")
	f.the(t, "consumer")
	f.waitEqual(t, first.NATSServer(), second.NATSServer())
}
