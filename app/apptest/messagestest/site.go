// Package messagestest runs a whole usher with messages over HTTP for tests: nats-server with
// the directory in a bucket, an API, and streams that usher keeps, in config mode or operator
// mode. Only tests import it.
package messagestest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/apptest"
	"usher/app/config"
	"usher/app/devserver"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// AdminUser is the service_admin of every Site.
const AdminUser = "root"

// adminKey is the API key of AdminUser.
const adminKey = "0000000000000000000000000000000000000000000000000000000000000001"

// Config says how a Site differs from the default: config mode, api.messages: on,
// projects.streams: managed.
type Config struct {
	Operator bool                 // operator mode
	Options  func(*setup.Options) // of "usher init"; nil: none
	Change   func(*config.Config) // of usher.yaml; nil: none
}

// Site is an installation that runs.
type Site struct {
	apptest.Site
	NATS   *devserver.Server
	Server *server.Server
	Admin  *client.Client // of AdminUser
	Log    *callouttest.Buffer
}

// Start starts nats-server and usher. They stop when the test ends.
func Start(tb testing.TB, cfg Config) *Site {
	tb.Helper()
	s := New(tb, cfg)
	s.NATS = s.NatsServer(tb)
	s.Begin(tb, cfg.Change)
	return s
}

// New writes the files of an installation and starts nothing: for servers of another kind than
// Start has. Begin goes on.
func New(tb testing.TB, cfg Config) *Site {
	tb.Helper()
	s := &Site{Log: &callouttest.Buffer{}}
	s.Site = apptest.NewSite(tb, func(o *setup.Options) {
		o.KV, o.Operator = true, cfg.Operator
		o.Config["api.messages"], o.Config["projects.streams"] = "true", config.StreamsManaged
		if cfg.Options != nil {
			cfg.Options(o)
		}
	})
	return s
}

// Begin starts usher, and creates AdminUser. nats-server runs.
func (s *Site) Begin(tb testing.TB, change func(*config.Config)) {
	tb.Helper()
	s.Server = s.Usher(tb, change)
	user := directory.IDOf(directory.KindUser, AdminUser)
	_, err := s.Server.Bucket().Change(tb.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return []directory.Entry{
			{Key: directory.UserKey(user), Value: &directory.User{Name: AdminUser, ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}}},
			{Key: directory.KeyKey(user, "k"), Value: &directory.Key{Digest: directory.DigestOf(adminKey)}},
		}, nil
	})
	callouttest.Must(tb, err)
	s.Admin = s.Client(tb, adminKey)
}

// Usher starts an usher of the installation, which logs to Log and stops when the test ends.
// change may change its configuration; nil: it does not. A second one is a replica: its
// listeners need other ports, and its directory.snapshot_file and sessions.state_file must be
// others.
func (s *Site) Usher(tb testing.TB, change func(*config.Config)) *server.Server {
	tb.Helper()
	cfg, err := config.Load(s.Config())
	callouttest.Must(tb, err)
	if change != nil {
		change(cfg)
	}
	srv, err := server.New(cfg, s.Log)
	callouttest.Must(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, func() { close(started) }) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("stopping: %v\n%s", err, s.Log)
		}
	})
	select {
	case <-started:
	case err := <-ended:
		ended <- nil
		tb.Fatalf("starting: %v\n%s", err, s.Log)
	}
	callouttest.Eventually(tb, "usher is ready", func() bool { return srv.Ready() == nil })
	return srv
}

// Client returns a client of the API with a key.
func (s *Site) Client(tb testing.TB, key string) *client.Client {
	tb.Helper()
	c, err := client.New(&client.Config{Server: s.Server.APIURL(), Key: key, Timeout: time.Minute})
	callouttest.Must(tb, err)
	tb.Cleanup(c.Close)
	return c
}

// Project creates a project in the account of service admins.
func (s *Site) Project(tb testing.TB, name string) {
	tb.Helper()
	_, err := s.Admin.CreateProject(tb.Context(), name, &wire.ProjectInput{Account: new(setup.AccountApp)})
	callouttest.Must(tb, err)
}

// Topic creates a topic that these users may publish to.
func (s *Site) Topic(tb testing.TB, project, name string, acl ...string) {
	tb.Helper()
	_, err := s.Admin.CreateTopic(tb.Context(), project, name, &wire.TopicInput{})
	callouttest.Must(tb, err)
	s.allow(tb, client.TopicOf(project, name), acl)
}

// Subscription creates a subscription that these users may consume.
func (s *Site) Subscription(tb testing.TB, project, name, topic string, acl ...string) {
	tb.Helper()
	_, err := s.Admin.CreateSubscription(tb.Context(), project, name, &wire.SubscriptionInput{Topic: "projects/" + project + "/topics/" + topic})
	callouttest.Must(tb, err)
	s.allow(tb, client.SubscriptionOf(project, name), acl)
}

func (s *Site) allow(tb testing.TB, of client.Resource, users []string) {
	tb.Helper()
	if len(users) == 0 {
		return
	}
	_, err := s.Admin.ChangeACL(tb.Context(), of, func(have []string) []string { return slices.Concat(have, users) })
	callouttest.Must(tb, err)
}

// Member creates a user with roles in a project, and returns its API key.
func (s *Site) Member(tb testing.TB, project, name string, roles ...directory.Role) (key string) {
	tb.Helper()
	var texts []string
	for _, r := range roles {
		texts = append(texts, string(r))
	}
	u, err := s.Admin.CreateMember(tb.Context(), project, name, texts)
	callouttest.Must(tb, err)
	return u.Token
}

// Connect connects to NATS with an API key and the user's private inbox. The connection closes
// when the test ends.
func (s *Site) Connect(tb testing.TB, user, key string, options ...nats.Option) *nats.Conn {
	tb.Helper()
	return apptest.Connected(tb, s.URL, append([]nats.Option{nats.Token(key), nats.CustomInboxPrefix("_INBOX_" + user)}, options...)...)
}

// Do sends a request to the API as AMS's own clients do: the key in x-api-key, and no
// Content-Type. key may be empty: none. path begins with /v1.
func (s *Site) Do(tb testing.TB, key, method, path, body string) (status int, answer string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, s.Server.APIURL()+path, bytes.NewReader([]byte(body)))
	callouttest.Must(tb, err)
	if key != "" {
		r.Header.Set("x-api-key", key)
	}
	response, err := http.DefaultClient.Do(r)
	callouttest.Must(tb, err)
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	callouttest.Must(tb, err)
	return response.StatusCode, string(text)
}

// AdminKey returns the API key of AdminUser.
func (*Site) AdminKey() string { return adminKey }
