package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/tracing"
	"usher/tokens/apikey"
)

// traced is a running usher with an API, a nats-server and a collector at endpoint.
type traced struct {
	in   apptest.Site
	srv  *server.Server
	log  callouttest.Buffer
	key  string // of root, who is a service_admin
	stop func()
}

const headers = "authorization: Bearer of-no-news-at-all\n"

func startTraced(t *testing.T, endpoint string) *traced {
	t.Helper()
	s := &traced{in: apptest.NewSite(t, func(o *setup.Options) {
		o.KV = true
		o.Config["tracing.endpoint"], o.Config["tracing.headers_file"], o.Config["tracing.share"] = endpoint, "headers", "1"
		o.Config["api.listen"], o.Config["api.key_in"] = "127.0.0.1:0", "both"
	})}
	s.in.Write(t, "headers", headers)
	s.in.NatsServer(t)
	cfg, err := config.Load(s.in.Config())
	callouttest.Must(t, err)
	s.srv, err = server.New(cfg, &s.log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.srv.Serve(ctx, func() { close(started) }) }()
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v\n%s", err, &s.log)
		}
		ended <- nil
	}
	t.Cleanup(func() { s.stop() })
	<-started
	callouttest.Eventually(t, "usher is ready", func() bool { return s.srv.Ready() == nil })
	s.key, err = apikey.New(rand.Reader)
	callouttest.Must(t, err)
	id := directory.IDOf(directory.KindUser, "root")
	_, err = s.srv.Bucket().Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return []directory.Entry{
			{Key: directory.UserKey(id), Value: &directory.User{Name: "root", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}}},
			{Key: directory.KeyKey(id, "default"), Value: &directory.Key{Digest: directory.DigestOf(s.key)}},
		}, nil
	})
	callouttest.Must(t, err)
	return s
}

// call sends an API request with the key of root, and returns status and request id.
func (s *traced) call(t *testing.T, method, path, body string, change func(*http.Request)) (status int, id string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.srv.APIURL()+path, strings.NewReader(body))
	callouttest.Must(t, err)
	req.Header.Set("x-api-key", s.key)
	if change != nil {
		change(req)
	}
	res, err := http.DefaultClient.Do(req)
	callouttest.Must(t, err)
	callouttest.Must(t, res.Body.Close())
	return res.StatusCode, res.Header.Get("X-Request-Id")
}

// TestTracing: requests that are granted, denied or malformed make spans as
// docs/how-to/trace.md says, and no exported byte is part of a secret.
func TestTracing(t *testing.T) {
	t.Parallel()
	const stranger, caller = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	wrong, err := apikey.New(rand.Reader)
	callouttest.Must(t, err)
	in := apptest.StartCollector(t)
	s := startTraced(t, in.URL)
	parent := func(id string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("traceparent", "00-"+id+"-cccccccccccccccc-00")
			r.Header.Set("tracestate", "usher=tell-no-tales")
		}
	}
	want := map[string]map[string]string{} // by request id
	expect := func(name string, status int, attributes map[string]string) func(int, string) {
		return func(got int, id string) {
			if got != status || id == "" {
				t.Errorf("%s: status %d, id %q", name, got, id)
			}
			attributes["name"], attributes["http.response.status_code"], attributes["client.address"] = name, fmt.Sprint(status), "127.0.0.1"
			want[id] = attributes
		}
	}
	expect("GET /v1/users", 200, map[string]string{"usher.user": "root", "usher.operation": "user.list", "http.route": "/v1/users", "parent": "cccccccccccccccc", "trace": caller})(
		s.call(t, "GET", "/v1/users?key=query-of-secrets", "", parent(caller)))
	expect("GET /v1/users", 401, map[string]string{"usher.user": "", "usher.code": "unauthorized", "parent": ""})(
		s.call(t, "GET", "/v1/users", "", func(r *http.Request) { parent(stranger)(r); r.Header.Set("x-api-key", wrong) }))
	expect("POST /v1/users/{user}", 400, map[string]string{"usher.user": "root", "usher.code": "invalid_argument", "http.route": "/v1/users/{user}"})(
		s.call(t, "POST", "/v1/users/bob", `{"secret": "body-of-secrets"`, nil))
	expect("GET /v1/users/{user}", 404, map[string]string{"usher.operation": "user.show"})(s.call(t, "GET", "/v1/users/path-of-secrets", "", nil))
	expect("_OTHER", 405, map[string]string{"usher.operation": "unknown", "http.route": ""})(s.call(t, "TRICKY", "/v1/users", "", nil))

	apptest.Connected(t, s.in.URL, nats.Token(s.key), nats.CustomInboxPrefix("_INBOX_root")).Close()
	if nc, err := nats.Connect(s.in.URL, nats.Token(wrong), nats.MaxReconnects(0)); err == nil {
		nc.Close()
		t.Error("a wrong key connects")
	}
	s.stop()

	spans := in.Spans()
	for _, span := range spans {
		if span.Resource["service.name"] != "usher" || span.Resource["service.instance.id"] == "" || span.Trace == stranger {
			t.Errorf("received %+v", span)
		}
		if span.Scope != "usher/api" {
			continue
		}
		id := span.Attributes["usher.request_id"]
		got := map[string]string{"name": span.Name, "parent": span.Parent, "trace": span.Trace}
		for k, v := range span.Attributes {
			got[k] = v
		}
		for k, v := range want[id] {
			if got[k] != v {
				t.Errorf("%s: %s is %q, want %q", span.Name, k, got[k], v)
			}
		}
		if span.Failed || span.End.Before(span.Start) {
			t.Errorf("received %+v", span)
		}
		delete(want, id)
	}
	if len(want) != 0 {
		t.Errorf("no spans of %v\n%s", want, &s.log)
	}
	checkAuthorize(t, spans)
	secrets := []string{s.key, wrong, "query-of", "body-of", "path-of", "TRICKY", "tell-no-tales", "of-no-news", s.password(t)}
	exported := in.Bodies()
	for _, secret := range secrets {
		for part := range slices.Chunk([]byte(secret), 12) {
			if len(part) > 5 && strings.Contains(exported, string(part)) {
				t.Errorf("%q was exported", part)
			}
		}
	}
	if strings.Contains(s.log.String(), "of-no-news") {
		t.Error("the log has a header of the collector")
	}
}

// checkAuthorize checks the spans of a granted and of a denied authorization request.
func checkAuthorize(t *testing.T, spans []apptest.Span) {
	t.Helper()
	for _, c := range []struct {
		code, user string
		failed     bool
		steps      []string
	}{
		{"granted", "root", false, tracing.StepNames()},
		{"key_unknown", "", true, []string{tracing.StepReceive, tracing.StepAdmit, tracing.StepOpen, tracing.StepVerify, tracing.StepRespond, tracing.StepRecord}},
	} {
		i := slices.IndexFunc(spans, func(s apptest.Span) bool {
			return s.Name == tracing.SpanAuthorize && s.Attributes[string(tracing.KeyCode)] == c.code && s.Attributes[string(tracing.KeyUser)] == c.user
		})
		if i < 0 {
			t.Errorf("no span of a request with code %s", c.code)
			continue
		}
		whole := spans[i]
		if whole.Scope != "usher/callout" || whole.Parent != "" || whole.Failed != c.failed || whole.Attributes[string(tracing.KeyRequestID)] == "" || whole.Attributes[string(tracing.KeyServerID)] == "" {
			t.Errorf("received %+v", whole)
		}
		steps := map[string]apptest.Span{}
		for _, s := range spans {
			if s.Parent == whole.ID {
				steps[s.Name] = s
			}
		}
		for _, name := range c.steps {
			s, found := steps[name]
			if !found || s.Trace != whole.Trace || s.Start.Before(whole.Start) || s.End.Before(s.Start) || s.End.After(whole.End) {
				t.Errorf("%s: step %s is %+v, of %+v", c.code, name, s, whole)
			}
		}
	}
}

// password returns that of the service user.
func (s *traced) password(t *testing.T) string {
	t.Helper()
	cfg, err := config.Load(s.in.Config())
	callouttest.Must(t, err)
	return readLine(t, cfg.NATS.PasswordFile)
}

// TestCollectorDown: usher starts, serves and stops if nothing listens at the endpoint,
// and if what listens there never answers.
func TestCollectorDown(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(release) })
	for name, endpoint := range map[string]string{"closed": fmt.Sprintf("http://127.0.0.1:%d", callouttest.FreePort(t)), "hanging": hanging.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startTraced(t, endpoint)
			for range 3 {
				if status, _ := s.call(t, "GET", "/v1/users", "", nil); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			}
			if err := s.srv.Ready(); err != nil {
				t.Errorf("not ready: %v", err)
			}
			s.stop()
			if n := strings.Count(s.log.String(), "level=WARN msg=\"cannot send traces; requests are not affected\""); n > 1 || name == "closed" && n != 1 {
				t.Errorf("logged %d times\n%s", n, &s.log)
			}
		})
	}
}

func readLine(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	callouttest.Must(t, err)
	return string(bytes.TrimSpace(text))
}
