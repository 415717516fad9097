package api_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/callouttest"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Attack: a client guesses keys of the management API
// Held by: failures are limited per address; a valid key is always accepted
func TestFailedKeys(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.FailedKeys = 0.5 })
	for i := range 5 {
		want := http.StatusUnauthorized
		if i >= 2 { // the burst is four seconds of the rate
			want = http.StatusTooManyRequests
		}
		got := s.as("wrong", "POST", "/v1/users/x", "{}")
		if got.error(t); got.code != want || want == http.StatusTooManyRequests && got.Get("Retry-After") != "2" {
			t.Errorf("failure %d: %d %s, Retry-After %q", i, got.code, got.text, got.Get("Retry-After"))
		}
		if got := s.as("", "GET", "/v1/users/profile", ""); got.code != http.StatusUnauthorized {
			t.Errorf("no key: %d", got.code)
		}
		s.root(200, "GET", "/v1/users/profile", "")
	}
	s.now.Add(2)
	if got := s.as("wrong", "GET", "/v1/users/profile", ""); got.code != http.StatusUnauthorized {
		t.Errorf("after 2 s: %d", got.code)
	}
	if len(s.changes()) != 0 {
		t.Errorf("audited: %+v", s.changes())
	}
	s.now.Add(3600)
	if s.as("expired", "DELETE", "/v1/users/pub", ""); len(s.changes()) != 1 || s.lastChange().Actor != "expired" || s.lastChange().Code != "unauthorized" {
		t.Errorf("an expired key: %+v", s.changes())
	}
}

// Attack: a client guesses keys from many addresses of one IPv6 network
// Held by: a /64 network counts as one address
func TestFailedKeysIPv6(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.FailedKeys = 0.25 })
	for host, want := range map[string]int{"2001:db8::1": 401, "2001:db8:0:1::1": 401, "192.0.2.1": 401, "192.0.2.2": 401} {
		for range 2 {
			req := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/users/profile", nil)
			req.RemoteAddr = net.JoinHostPort(host, "1")
			req.Header.Set(rest.HeaderKey, "wrong")
			rec := httptest.NewRecorder()
			s.http.Config.Handler.ServeHTTP(rec, req)
			if rec.Code != want {
				t.Errorf("%s: %d, want %d", host, rec.Code, want)
			}
			want, host = 429, strings.Replace(host, "::1", "::2", 1) // the same network
		}
	}
}

// Attack: clients hold connections to the management API by not sending the body
// Held by: a request has a read deadline
func TestSlowBody(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.Timeout = 50 * time.Millisecond })
	body, w := io.Pipe()
	t.Cleanup(func() { callouttest.Must(t, w.Close()) })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http.URL+"/v1/users/slow", body)
	callouttest.Must(t, err)
	req.Header.Set(rest.HeaderKey, s.keys["root"])
	res, err := s.http.Client().Do(req)
	callouttest.Must(t, err)
	text, err := io.ReadAll(res.Body)
	callouttest.Must(t, err)
	callouttest.Must(t, res.Body.Close())
	if res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(text), `"TIMEOUT"`) {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

// A panic ends one request. The response does not show it.
func TestPanic(t *testing.T) {
	s := start(t, nil, func(c *api.Config) {
		c.Explain = func(string, string) any { panic("usher_events: the cause") }
	})
	got := s.root(500, "GET", "/v1/users/pub:permissions", "")
	if e := got.error(t); e.Message != "Internal error" || strings.Contains(got.text, "cause") {
		t.Errorf("%s", got.text)
	}
	if !strings.Contains(s.logged(), "request handler panicked") || !strings.Contains(s.logged(), "the cause") || strings.Contains(s.logged(), "usher_events") {
		t.Errorf("logged %s", s.logged())
	}
	s.root(200, "GET", "/v1/users/pub", "")
}

// usher gives each request an id, which is in response, log and audit. The log contains the
// client's id too, without secrets.
func TestRequestID(t *testing.T) {
	s := start(t, nil, nil)
	got := s.root(200, "POST", "/v1/projects/new", "", "X-Request-Id", "client-id")
	id := got.Get("X-Request-Id")
	if id == "client-id" || s.lastChange().RequestID != id || !strings.Contains(s.logged(), `"request_id":"`+id+`","route":"project.create","status":200`) ||
		!strings.Contains(s.logged(), `"client_request_id":"client-id"`) {
		t.Errorf("id %s, audit %+v, log %s", id, s.lastChange(), s.logged())
	}
	s.root(200, "GET", "/v1/projects/new", "", "X-Request-Id", s.keys["root"])
	// A key in the path appears nowhere.
	for _, path := range []string{"/v1/users/", "/v1/projects/", "/v1/projects/shop/topics/", "/v1/projects/shop/members/", "/v1/users/pub/keys/"} {
		for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
			s.as("root", method, path+s.keys["pub"], `{"name":"`+s.keys["pub"]+`"}`)
		}
	}
	s.as("root", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["`+s.keys["con"]+`"],"`+s.keys["con"]+`":1}`)
	s.as("root", "POST", "/v1/users/new", `{"service_roles":["`+s.keys["con"]+`"]}`)
	s.as("root", "POST", "/v1/users/new", `{"email":"`+s.keys["con"]+`"}`)
	s.as("root", "POST", "/v1/projects/new2", `{"account":"`+s.keys["con"]+`"}`)
	s.as("root", "PUT", "/v1/projects/shop/topics/new", `{"subject":"shop.`+s.keys["con"]+`"}`)
	s.as("root", "GET", "/v1/"+s.keys["con"]+"?key="+s.keys["con"], "")
	s.noSecrets()
}

func TestHeaders(t *testing.T) {
	s := start(t, nil, nil)
	got := s.root(200, "GET", "/v1/users/pub", "")
	for name, want := range map[string]string{"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got.Get(name) != want {
			t.Errorf("%s: %q", name, got.Get(name))
		}
	}
}

// The status says how current the view of the directory is.
func TestStatus(t *testing.T) {
	s := start(t, nil, func(c *api.Config) {
		c.Directory = func() wire.Directory { return wire.Directory{Current: false, AsOf: startTime.Add(time.Millisecond)} }
	})
	sameJSON(t, "status", s.as("", "GET", "/v1/status", "").text,
		`{"status":"warning","push_functionality":"disabled","push_servers":[],"directory":{"current":false,"as_of":"2026-03-01T12:00:00Z"}}`)
}

func TestTLS(t *testing.T) {
	s := start(t, nil, nil)
	secure := httptest.NewTLSServer(s.http.Config.Handler)
	t.Cleanup(secure.Close)
	s.http.Close()
	s.http = secure
	s.root(200, "GET", "/v1/users/profile", "")
}

// An incomplete Config is refused.
func TestConfig(t *testing.T) {
	if _, err := api.New(api.Config{}); err == nil {
		t.Error("an empty Config is accepted")
	}
}
