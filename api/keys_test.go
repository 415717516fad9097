package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// accepts reports whether a key is valid.
func (s *service) accepts(key string) bool {
	s.t.Helper()
	got := s.as(key, "GET", "/v1/users/profile", "")
	if got.code != http.StatusOK && got.code != http.StatusUnauthorized {
		s.t.Errorf("%d %s", got.code, got.text)
	}
	return got.code == http.StatusOK
}

func TestRefreshToken(t *testing.T) {
	s := start(t, nil, nil)
	old := s.keys["pub"]
	got := decode[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", ""))
	if s.accepts(old) || !s.accepts(got.Token) || got.Name != "pub" || got.Key != "default" {
		t.Errorf("without a grace period: %+v", got)
	}
	old = got.Token
	got = decode[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", `{"grace":"1h","key":"default"}`))
	if !s.accepts(old) || !s.accepts(got.Token) {
		t.Error("in the grace period, one of the keys is not accepted")
	}
	sameJSON(t, "both", s.root(200, "GET", "/v1/users/pub/keys", "").text, `{"keys":[
		{"name":"default","enabled":true,"created_on":"2026-03-01T12:00:00Z"},
		{"name":"$retiring","enabled":true,"created_on":"2026-03-01T12:00:00Z","expires_on":"2026-03-01T13:00:00Z"}],"nextPageToken":"","totalSize":2}`)
	s.now.Add(3600)
	if s.accepts(old) || !s.accepts(got.Token) {
		t.Error("after the grace period")
	}
	s.root(200, "DELETE", "/v1/users/pub/keys/default", "")
	last := decode[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", ""))
	if !strings.HasPrefix(last.Key, "default-") || !s.accepts(last.Token) {
		t.Errorf("the only key: %q", last.Key)
	}
	s.root(200, "DELETE", "/v1/users/pub/keys/"+last.Key, "")
	if last = decode[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", "")); last.Key != "default" || !s.accepts(last.Token) {
		t.Errorf("without a key: %q", last.Key)
	}
	if c := s.lastChange(); c.Action != "user.refresh_token" || strings.Contains(string(c.After), last.Token) {
		t.Errorf("audited %+v", c)
	}
}

func TestKeys(t *testing.T) {
	s := start(t, nil, nil)
	const keys = "/v1/users/pub/keys"
	made := decode[wire.KeyCreated](t, s.root(200, "POST", keys, `{"name":"laptop","expires_in":"24h","source_networks":["127.0.0.1","10.1.2.3/8","2001:db8::1/32"]}`))
	if !s.accepts(made.Token) {
		t.Error("the new key is not accepted")
	}
	const laptop = `{"name":"laptop","enabled":true,"created_on":"2026-03-01T12:00:00Z","expires_on":"2026-03-02T12:00:00Z","source_networks":["127.0.0.1/32","10.0.0.0/8","2001:db8::/32"]}`
	sameJSON(t, "shown", s.root(200, "GET", keys+"/laptop", "").text, laptop)
	if c := s.lastChange(); c.Action != "key.create" || c.Before != nil || c.Resource != "/users/pub/keys" {
		t.Errorf("audited %+v", c)
	} else {
		sameJSON(t, "audited", string(c.After), laptop)
	}
	elsewhere := decode[wire.KeyCreated](t, s.root(200, "POST", keys, `{"name":"elsewhere","source_networks":["192.0.2.0/24"]}`))
	later := decode[wire.KeyCreated](t, s.root(200, "POST", keys, `{"name":"later","not_before":"2026-03-02T00:00:00+02:00","expires_on":"2026-04-01T00:00:00Z"}`))
	if s.accepts(elsewhere.Token) || s.accepts(later.Token) {
		t.Error("accepted from another network, or too early")
	}
	s.root(409, "POST", "/v1/users/pub:refreshToken", `{"key":"laptop"}`, "If-Match", `"1-0"`)
	refreshed := decode[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", `{"key":"elsewhere"}`))
	if s.accepts(refreshed.Token) {
		t.Error("a refreshed key has lost its networks")
	}
	s.now.Add(int64((10 * time.Hour).Seconds()))
	again := decode[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", `{"key":"laptop","grace":"48h"}`))
	s.now.Add(int64((15 * time.Hour).Seconds()))
	if s.accepts(made.Token) || !s.accepts(again.Token) || !s.accepts(later.Token) {
		t.Error("the grace period outlasts the old key, or the lifetimes of the new and the old key differ")
	}
	s.root(200, "DELETE", keys+"/later", "")
	if s.accepts(later.Token) {
		t.Error("a removed key is accepted")
	}
	s.root(404, "DELETE", keys+"/later", "")
	for i, body := range []string{
		`{}`, `{"name":""}`, `{"name":"a.b"}`, `{"name":"x","expires_in":"-1h"}`, `{"name":"x","expires_in":"1h","expires_on":"2027-01-01T00:00:00Z"}`,
		`{"name":"x","not_before":"2027-01-01T00:00:00Z","expires_in":"1h"}`, `{"name":"x","source_networks":["::ffff:1.2.3.4"]}`, `{"name":"x","source_networks":["fe80::1%eth0"]}`,
		fmt.Sprintf(`{"name":%q}`, made.Token), `{"name":"x","expires_on":"tomorrow"}`, "",
	} {
		if got := s.as("root", "POST", keys, body); got.code != 400 || strings.Contains(got.text, made.Token) {
			t.Errorf("%d: %d %s", i, got.code, got.text)
		}
	}
}

// The new key of a refresh is valid. Response and audit say when it expires.
func TestRefreshExpiry(t *testing.T) {
	s := start(t, nil, nil)
	const keys, refresh = "/v1/users/pub/keys", "/v1/users/pub:refreshToken"
	s.root(200, "POST", keys, `{"name":"short","expires_in":"1h"}`)
	s.now.Add(7200)
	got := decode[wire.UserCreated](t, s.root(200, "POST", refresh, `{"key":"short"}`))
	if !s.accepts(got.Token) || !got.ExpiresOn.Equal(startTime.Add(3*time.Hour)) {
		t.Errorf("expires at %s", got.ExpiresOn)
	}
	// An import can create a key that had expired before it was created.
	_, err := s.store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		k := &directory.Key{Digest: directory.DigestOf("gone"), Created: startTime, Expires: startTime.Add(-time.Hour)}
		return directory.Put(directory.KeyKey(idsOf("pub")[0], "gone"), k), nil
	})
	callouttest.Must(t, err)
	if e := s.as("root", "POST", refresh, `{"key":"gone"}`); e.code != 409 || !strings.Contains(e.text, "expires_in") {
		t.Errorf("%d %s", e.code, e.text)
	}
	for body, until := range map[string]time.Time{
		`{"key":"gone","expires_in":"30m"}`: startTime.Add(150 * time.Minute), `{"key":"short","expires_on":"2026-04-01T00:00:00Z"}`: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
		`{"key":"default"}`: {},
	} {
		got := decode[wire.UserCreated](t, s.root(200, "POST", refresh, body))
		if !s.accepts(got.Token) || !got.ExpiresOn.Equal(until) {
			t.Errorf("%s: expires at %s", body, got.ExpiresOn)
		}
	}
	for _, body := range []string{`{"expires_in":"-1h"}`, `{"expires_in":"soon"}`, `{"expires_on":"2026-01-01T00:00:00Z"}`, `{"expires_in":"1h","expires_on":"2027-01-01T00:00:00Z"}`} {
		s.root(400, "POST", refresh, body)
	}
	s.root(200, "POST", refresh, `{"key":"short","grace":"10m","expires_in":"2h"}`)
	c := s.lastChange()
	sameJSON(t, "before", string(c.Before), `{"keys":[{"name":"short","enabled":true,"created_on":"2026-03-01T14:00:00Z","expires_on":"2026-04-01T00:00:00Z"}]}`)
	sameJSON(t, "after", string(c.After), `{"keys":[{"name":"short","enabled":true,"created_on":"2026-03-01T14:00:00Z","expires_on":"2026-03-01T16:00:00Z"},
		{"name":"$retiring","enabled":true,"created_on":"2026-03-01T14:00:00Z","expires_on":"2026-03-01T14:10:00Z"}]}`)
}

// No change leaves the API without a service_admin who can authenticate.
func TestLastAdmin(t *testing.T) {
	s := start(t, nil, nil)
	refused := func() {
		t.Helper()
		for _, tt := range []struct{ method, path, body string }{
			{"DELETE", "/v1/users/root", ""},
			{"PUT", "/v1/users/root", `{"enabled":false}`},
			{"PUT", "/v1/users/root", `{"service_roles":["ingest"]}`},
			{"PUT", "/v1/users/root", `{"service_roles":[]}`},
			{"DELETE", "/v1/users/root" + "/keys/default", ""},
		} {
			if got := s.as("root", tt.method, tt.path, tt.body); got.code != 409 {
				t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, got.code, got.text)
			}
		}
	}
	refused() // the keys of expired and off do not work
	s.root(200, "POST", "/v1/users/second", `{"service_roles":["service_admin"]}`)
	s.root(200, "DELETE", "/v1/users/second/keys/default", "")
	refused()
	s.root(200, "POST", "/v1/users/second/keys", `{"name":"short","expires_in":"1h"}`)
	refused()
	s.root(200, "POST", "/v1/users/second/keys", `{"name":"far","source_networks":["203.0.113.0/24"]}`)
	refused()
	s.root(200, "POST", "/v1/users/root"+"/keys", `{"name":"far","source_networks":["203.0.113.0/24"]}`)
	refused()
	s.root(200, "PUT", "/v1/users/root", `{"name":"superuser","service_roles":["service_admin","ingest"]}`)
	s.root(200, "PUT", "/v1/users/superuser", `{"name":"root"}`)
	s.root(200, "POST", "/v1/users/second/keys", `{"name":"long"}`)
	s.root(200, "PUT", "/v1/users/root", `{"service_roles":[]}`)
	if got := s.as("root", "GET", "/v1/users", ""); got.code != 403 {
		t.Errorf("demoted: %d", got.code)
	}
}
