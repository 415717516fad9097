package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/api"
)

// What a body costs does not grow with how deep it is.
func TestDeepBody(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.MaxBody = 4 << 20 })
	for _, tt := range []struct {
		topic, body string
		want        int
	}{
		{"deep", `{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, http.StatusOK},
		{"long", `{"a":[` + strings.Repeat("[],", 1000) + `{}],"b":{"c":[{"d":{}}]}}`, http.StatusOK},
		{"x", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, http.StatusBadRequest},
		{"x", `{"a":` + strings.Repeat("[", 3<<20), http.StatusBadRequest},
		{"x", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), http.StatusBadRequest},
		{"x", `{"a":` + strings.Repeat(`[{"b":`, 15) + strings.Repeat(`}]`, 10), http.StatusBadRequest},
	} {
		if got := s.as("admin", "PUT", "/v1/projects/shop/topics/"+tt.topic, tt.body); got.code != tt.want {
			t.Errorf("%.40s: %d %s", tt.body, got.code, got.text)
		}
	}
}

// deadlines is a connection that remembers how long it may be used.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = t
	return nil
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	return nil
}

// Whoever does not read an answer, key or no key, does not keep its connection:
// every route has an end for it, somewhat after that of the request.
func TestWriteDeadline(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/v1/openapi.json", "/v1/users", "/v1/directory:export", "/nowhere"} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		s.http.Config.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.read.IsZero() || !w.write.After(w.read) || w.write.Sub(w.read) > time.Minute {
			t.Errorf("%s: read until %s, write until %s", path, w.read, w.write)
		}
	}
}

// What is answered, logged and audited of a request is short, whatever is in it.
func TestAmplification(t *testing.T) {
	s := start(t, nil, nil)
	list := func(name string, n int) string { return `["` + name + `"` + strings.Repeat(`,"`+name+`"`, n) + "]" }
	var many []string
	for i := range 100_000 {
		many = append(many, fmt.Sprintf(`"u%d"`, i))
	}
	for what, tt := range map[string]struct{ method, path, body, says string }{
		"one name":         {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":` + list("a", 19_000) + `}`, "a is named twice"},
		"many names":       {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":` + list("a", 250_000) + `}`, "at most 20000"},
		"many strangers":   {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":[` + strings.Join(many[:20_000], ",") + `]}`, "u9 and 19990 more do not exist"},
		"no names":         {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["\u0000\u0001",""` + strings.Repeat(`,"`+strings.Repeat("\x7f", 12)+`"`, 19_000) + `]}`, "is named twice"},
		"roles":            {"PUT", "/v1/projects/shop/members/pub", `{"projects":[{"roles":` + list("publisher", 80_000) + `}]}`, "role publisher stands twice"},
		"service roles":    {"POST", "/v1/users/new", `{"service_roles":` + list("ingest", 80_000) + `}`, "service role ingest stands twice"},
		"connection types": {"POST", "/v1/users/new", `{"connection_types":` + list("MQTT", 80_000) + `}`, "connection type MQTT stands twice"},
		"networks":         {"POST", "/v1/users/pub/keys", `{"name":"n","source_networks":` + list("192.0.2.1", 80_000) + `}`, "at most 100"},
	} {
		before := len(s.logged())
		got := s.as("root", tt.method, tt.path, tt.body)
		e := got.error(t)
		if logged := len(s.logged()) - before; len(got.text) > 1000 || logged > 2000 || len(s.lastChange().Cause) > 1000 {
			t.Errorf("%s: %d bytes answered, %d logged, %d in the audit", what, len(got.text), logged, len(s.lastChange().Cause))
		}
		if !strings.Contains(e.Message+strings.Join(e.Errors, "; "), tt.says) {
			t.Errorf("%s: %s", what, got.text)
		}
	}
	// Of many faults of an import the audit has the first.
	var users strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&users, "  - {name: %q}\n", fmt.Sprintf("no name %d", i))
	}
	if got := s.as("root", "POST", "/v1/directory:import", "users:\n"+users.String()); got.code != 400 || len(s.lastChange().Cause) > 4000 {
		t.Errorf("%d, %d bytes in the audit", got.code, len(s.lastChange().Cause))
	}
}
