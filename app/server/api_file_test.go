package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"usher/api"
	"usher/api/rest"
	"usher/api/wire"
	"usher/app/apptest"
	"usher/app/config"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
)

const fileDirectory = `
users:
  - {name: root, service_roles: [service_admin], keys: [{digest: KEY(root-key)}]}
  - {name: alice, keys: [{id: laptop, digest: KEY(alice-key)}]}
  - {name: boss, keys: [{digest: KEY(boss-key)}]}
projects:
  - name: shop
    account: APP
    members: [{user: alice, roles: [publisher]}, {user: boss, roles: [project_admin]}]
    topics: [{name: orders, acl: [alice]}]
    subscriptions: [{name: billing, topic: orders}]
`

// overFile is a running usher with an API over a directory file.
type overFile struct {
	apptest.Site
	srv *server.Server
	log callouttest.Buffer
}

func startOverFile(t *testing.T) *overFile {
	t.Helper()
	s := &overFile{Site: apptest.NewSite(t, func(o *setup.Options) {
		o.Config["api.listen"] = "127.0.0.1:0"
		o.Config["projects.streams"] = "manual" // so that usher itself has no session
	})}
	s.Write(t, setup.FileDirectory, callouttest.WithDigests(fileDirectory))
	s.NatsServer(t)
	cfg, err := config.Load(s.Config())
	callouttest.Must(t, err)
	s.srv, err = server.New(cfg, &s.log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.srv.Serve(ctx, func() { close(started) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v\n%s", err, &s.log)
		}
	})
	<-started
	callouttest.Eventually(t, "usher is ready", func() bool { return s.srv.Ready() == nil })
	return s
}

// call sends a request with a key, and returns status and body.
func (s *overFile) call(t *testing.T, key, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.srv.APIURL()+path, strings.NewReader(body))
	callouttest.Must(t, err)
	req.Header.Set(rest.HeaderKey, key)
	res, err := http.DefaultClient.Do(req)
	callouttest.Must(t, err)
	text, err := io.ReadAll(res.Body)
	callouttest.Must(t, err)
	callouttest.Must(t, res.Body.Close())
	return res.StatusCode, string(text)
}

// TestAPIOverFile: over a directory file everything can be read, and every change of the
// directory is refused with one error that says where the directory is edited.
func TestAPIOverFile(t *testing.T) {
	t.Parallel()
	s := startOverFile(t)
	names := strings.NewReplacer("{project}", "shop", "{user}", "alice", "{topic}", "orders", "{subscription}", "billing", "{key}", "laptop", "{session}", "N:1", "{ban}", "b1", "{token}", "none")
	for _, rt := range api.Routes() {
		body := ""
		if rt.Body != nil {
			body = "{}"
		}
		code, text := s.call(t, "root-key", rt.Method, names.Replace(rt.Path), body)
		switch {
		case rt.Changes() && !rt.KeepsDirectory:
			var e wire.Error
			if err := json.Unmarshal([]byte(text), &e); err != nil || code != http.StatusConflict || e.Error.Status != "FAILED_PRECONDITION" || !strings.Contains(strings.Join(e.Error.Errors, " "), s.Path(setup.FileDirectory)) {
				t.Errorf("%s: %d %s", rt.Name, code, text)
			}
		case rt.Method == http.MethodGet && code != http.StatusOK && !strings.Contains(rt.Path, "{key}") && !strings.Contains(rt.Path, "{uuid}") && !strings.Contains(rt.Path, "{session}") && !strings.Contains(rt.Path, "{ban}") && !strings.Contains(rt.Path, "{token}") && !rt.MovesMessages && !slices.Contains([]string{"topic.metrics", "subscription.metrics", "subscription.offsets", "subscription.time_to_offset"}, rt.Name) && !strings.Contains(rt.Name, "password"):
			t.Errorf("%s: %d %s", rt.Name, code, text)
		}
	}
	if code, text := s.call(t, "alice-key", "GET", "/v1/users", ""); code != http.StatusForbidden {
		t.Errorf("a publisher lists users: %d %s", code, text)
	}
	if code, text := s.call(t, "boss-key", "POST", "/v1/projects/shop/members/alice:remove", ""); code != http.StatusConflict {
		t.Errorf("a project_admin: %d %s", code, text)
	}
	s.Edit(t, setup.FileDirectory, "service_roles: [service_admin]", "service_roles: []")
	callouttest.Eventually(t, "root is no service_admin any more", func() bool {
		code, _ := s.call(t, "root-key", "GET", "/v1/users", "")
		return code == http.StatusForbidden
	})
	if strings.Contains(s.log.String(), "root-key") {
		t.Error("the log has a key")
	}
}
