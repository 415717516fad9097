package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/api"
	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/tokens/apikey"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

var startTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// service is a running API. Its directory is in a bucket of its own server.
type service struct {
	t     testing.TB
	store rest.Store
	http  *httptest.Server
	now   atomic.Int64 // seconds since startTime
	keys  map[string]string

	mu        sync.Mutex
	log       bytes.Buffer
	audited   []audit.Change
	responses []string // bodies
}

func (s *service) clock() time.Time { return startTime.Add(time.Duration(s.now.Load()) * time.Second) }

func (s *service) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *service) changes() []audit.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]audit.Change(nil), s.audited...)
}

func (s *service) lastChange() audit.Change {
	all := s.changes()
	if len(all) == 0 {
		s.t.Fatal("the audit is empty")
	}
	return all[len(all)-1]
}

func (s *service) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// start returns an API over store (nil: a new bucket) with the directory of fill.
func start(tb testing.TB, store rest.Store, change func(*api.Config)) *service {
	tb.Helper()
	s := &service{t: tb, store: store, keys: map[string]string{}}
	if store == nil {
		s.store = callouttest.KVStore(tb)
	}
	var ids atomic.Int64
	random := &counter{}
	cfg := api.Config{
		Store: s.store,
		Audit: func(c audit.Change) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.audited = append(s.audited, c)
		},
		Now: s.clock, Random: random, NewID: func() string { return fmt.Sprintf("request-%d", ids.Add(1)) },
		Log:     slog.New(slog.NewJSONHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Explain: func(user, project string) any { return map[string]string{"user": user, "project": project} },
		Version: "v0", DefaultAccount: "APP",
	}
	if change != nil {
		change(&cfg)
	}
	h, err := api.New(cfg)
	callouttest.Must(tb, err)
	s.fill(random)
	s.http = httptest.NewServer(h)
	tb.Cleanup(s.http.Close)
	return s
}

// counter is a source of randomness that returns the same sequence in every run.
type counter struct{ n atomic.Uint64 }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		if i%8 == 0 {
			c.n.Add(1)
		}
		p[i] = byte(c.n.Load()>>(i%8*8)) ^ byte(0xa5*i)
	}
	return len(p), nil
}

// testUsers returns the users, with their roles in project shop, or in project lab for
// names that begin with "lab-". Users without a role are in no project; root and two users
// that cannot authenticate are service_admin.
func testUsers() map[string]directory.Role {
	return map[string]directory.Role{
		"admin": directory.RoleProjectAdmin, "pub": directory.RolePublisher, "con": directory.RoleConsumer,
		"lab-admin": directory.RoleProjectAdmin, "lab-pub": directory.RolePublisher, "lab-con": directory.RoleConsumer,
		"root": "", "ingest": "", "nobody": "", "expired": "", "off": "",
	}
}

// fill creates testUsers and the projects shop and lab. Each project has the topics orders
// and returns, and the subscriptions billing and audit of orders. The ACL of orders names
// the publisher, that of billing the consumer.
func (s *service) fill(random io.Reader) {
	var entries []directory.Entry
	put := func(k directory.EntryKey, v directory.Value) {
		entries = append(entries, directory.Entry{Key: k, Value: v})
	}
	project := func(name string) directory.EntryKey {
		return directory.ProjectKey(directory.IDOf(directory.KindProject, name))
	}
	for _, p := range []string{"shop", "lab"} {
		id := project(p).Project
		put(project(p), &directory.Project{Name: p, Account: "APP", Made: directory.Made{Created: startTime}})
		for i, topic := range []string{"orders", "returns"} {
			put(directory.ResourceKey(directory.KindTopic, id, topic), &directory.Topic{Created: startTime.Add(time.Duration(i) * time.Minute)})
		}
		for i, sub := range []string{"billing", "audit"} {
			put(directory.ResourceKey(directory.KindSubscription, id, sub), &directory.Subscription{Topic: "orders", Created: startTime.Add(time.Duration(i) * time.Minute)})
		}
	}
	for name, role := range testUsers() {
		u := &directory.User{Name: name, Made: directory.Made{Created: startTime}}
		k := &directory.Key{Created: startTime}
		switch name {
		case "root":
			u.ServiceRoles = []directory.ServiceRole{directory.ServiceRoleAdmin}
		case "ingest":
			u.ServiceRoles = []directory.ServiceRole{directory.ServiceRoleIngest}
		case "expired":
			u.ServiceRoles, k.Expires = []directory.ServiceRole{directory.ServiceRoleAdmin}, startTime.Add(-time.Hour)
		case "off":
			u.ServiceRoles, u.Disabled = []directory.ServiceRole{directory.ServiceRoleAdmin}, true
		}
		key, err := apikey.New(random)
		callouttest.Must(s.t, err)
		s.keys[name], k.Digest = key, directory.DigestOf(key)
		id := directory.IDOf(directory.KindUser, name)
		put(directory.UserKey(id), u)
		put(directory.KeyKey(id, "default"), k)
		if role == "" {
			continue
		}
		in := project("shop").Project
		if strings.HasPrefix(name, "lab-") {
			in = project("lab").Project
		}
		put(directory.MemberKey(in, id), &directory.Member{Roles: []directory.Role{role}})
		if role == directory.RolePublisher {
			put(directory.ResourceKey(directory.KindTopicACL, in, "orders"), &directory.ACL{Users: idsOf(name)})
		}
		if role == directory.RoleConsumer {
			put(directory.ResourceKey(directory.KindSubscriptionACL, in, "billing"), &directory.ACL{Users: idsOf(name)})
		}
	}
	_, err := s.store.Change(s.t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
	callouttest.Must(s.t, err)
}

// response is the response to a request.
type response struct {
	code int
	http.Header
	text string
}

// as sends a request. who is a user, a key, or empty for no key. headers are pairs of name
// and value.
func (s *service) as(who, method, path, body string, headers ...string) response {
	s.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.http.URL+path, in)
	callouttest.Must(s.t, err)
	if key, ok := s.keys[who]; ok {
		who = key
	}
	if who != "" {
		req.Header.Set(rest.HeaderKey, who)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := s.http.Client().Do(req)
	callouttest.Must(s.t, err)
	text, err := io.ReadAll(res.Body)
	callouttest.Must(s.t, err)
	callouttest.Must(s.t, res.Body.Close())
	if !strings.Contains(path, ":export") { // contains the digests of all keys
		s.mu.Lock()
		s.responses = append(s.responses, string(text))
		s.mu.Unlock()
	}
	return response{res.StatusCode, res.Header, string(text)}
}

// root sends a request as root, and fails unless the status is want.
func (s *service) root(want int, method, path, body string, headers ...string) response {
	s.t.Helper()
	got := s.as("root", method, path, body, headers...)
	if got.code != want {
		s.t.Fatalf("%s %s: %d %s", method, path, got.code, got.text)
	}
	return got
}

func (r *response) error(tb testing.TB) wire.ErrorBody {
	tb.Helper()
	var e wire.Error
	if err := json.Unmarshal([]byte(r.text), &e); err != nil || e.Error.Code != r.code || e.Error.Message == "" || e.Error.Status == "" {
		tb.Errorf("status %d without an error: %q", r.code, r.text)
	}
	if !slices.ContainsFunc(apierror.Statuses(), func(s apierror.Status) bool { return s.Code == r.code && s.Name == e.Error.Status }) {
		tb.Errorf("%d %s is not documented", r.code, e.Error.Status)
	}
	return e.Error
}

func decode[T any](tb testing.TB, r response) T {
	tb.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.text), &v); err != nil {
		tb.Fatalf("%d %s: %v", r.code, r.text, err)
	}
	return v
}

func idsOf(name string) []uuid.UUID { return []uuid.UUID{directory.IDOf(directory.KindUser, name)} }
