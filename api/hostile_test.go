package api_test

import (
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
