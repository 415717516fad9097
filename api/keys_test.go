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

// letsIn reports whether a key is let in.
func (s *service) letsIn(key string) bool {
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
	got := into[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", ""))
	if s.letsIn(old) || !s.letsIn(got.Token) || got.Name != "pub" || got.Key != "default" {
		t.Errorf("refreshed at once: %+v", got)
	}
	old = got.Token
	got = into[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", `{"grace":"1h","key":"default"}`))
	if !s.letsIn(old) || !s.letsIn(got.Token) {
		t.Error("in the grace period, one of them is not let in")
	}
	same(t, "both", s.root(200, "GET", "/v1/users/pub/keys", "").text, `{"keys":[
		{"name":"default","enabled":true,"created_on":"2026-03-01T12:00:00Z"},
		{"name":"$aside","enabled":true,"created_on":"2026-03-01T12:00:00Z","expires_on":"2026-03-01T13:00:00Z"}],"nextPageToken":"","totalSize":2}`)
	s.now.Add(3600)
	if s.letsIn(old) || !s.letsIn(got.Token) {
		t.Error("after the grace period")
	}
	s.root(200, "DELETE", "/v1/users/pub/keys/default", "")
	last := into[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", ""))
	if !strings.HasPrefix(last.Key, "default-") || !s.letsIn(last.Token) {
		t.Errorf("the only key: %q", last.Key)
	}
	s.root(200, "DELETE", "/v1/users/pub/keys/"+last.Key, "")
	if last = into[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", "")); last.Key != "default" || !s.letsIn(last.Token) {
		t.Errorf("without a key: %q", last.Key)
	}
	if c := s.lastChange(); c.Action != "user.refresh_token" || strings.Contains(string(c.After), last.Token) {
		t.Errorf("audited %+v", c)
	}
}

func TestKeys(t *testing.T) {
	s := start(t, nil, nil)
	const keys = "/v1/users/pub/keys"
	made := into[wire.KeyCreated](t, s.root(200, "POST", keys, `{"name":"laptop","expires_in":"24h","source_networks":["127.0.0.1","10.1.2.3/8","2001:db8::1/32"]}`))
	if !s.letsIn(made.Token) {
		t.Error("the new key is not let in")
	}
	const laptop = `{"name":"laptop","enabled":true,"created_on":"2026-03-01T12:00:00Z","expires_on":"2026-03-02T12:00:00Z","source_networks":["127.0.0.1/32","10.0.0.0/8","2001:db8::/32"]}`
	same(t, "shown", s.root(200, "GET", keys+"/laptop", "").text, laptop)
	if c := s.lastChange(); c.Action != "key.create" || c.Before != nil || c.Resource != "/users/pub/keys" {
		t.Errorf("audited %+v", c)
	} else {
		same(t, "audited", string(c.After), laptop)
	}
	elsewhere := into[wire.KeyCreated](t, s.root(200, "POST", keys, `{"name":"elsewhere","source_networks":["192.0.2.0/24"]}`))
	later := into[wire.KeyCreated](t, s.root(200, "POST", keys, `{"name":"later","not_before":"2026-03-02T00:00:00+02:00","expires_on":"2026-04-01T00:00:00Z"}`))
	if s.letsIn(elsewhere.Token) || s.letsIn(later.Token) {
		t.Error("let in from elsewhere, or too early")
	}
	s.root(409, "POST", "/v1/users/pub:refreshToken", `{"key":"laptop"}`, "If-Match", `"1-0"`)
	refreshed := into[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", `{"key":"elsewhere"}`))
	if s.letsIn(refreshed.Token) {
		t.Error("a refreshed key has lost its networks")
	}
	s.now.Add(int64((10 * time.Hour).Seconds()))
	again := into[wire.UserCreated](t, s.root(200, "POST", "/v1/users/pub:refreshToken", `{"key":"laptop","grace":"48h"}`))
	s.now.Add(int64((15 * time.Hour).Seconds()))
	if s.letsIn(made.Token) || !s.letsIn(again.Token) || !s.letsIn(later.Token) {
		t.Error("a grace period outlasts the key, or a new key does not last as long as the old one")
	}
	s.root(200, "DELETE", keys+"/later", "")
	if s.letsIn(later.Token) {
		t.Error("deleted, and let in")
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

// A refreshed key is one that is let in, and the answer and the audit say how long.
func TestRefreshedEnd(t *testing.T) {
	s := start(t, nil, nil)
	const keys, refresh = "/v1/users/pub/keys", "/v1/users/pub:refreshToken"
	s.root(200, "POST", keys, `{"name":"short","expires_in":"1h"}`)
	s.now.Add(7200)
	got := into[wire.UserCreated](t, s.root(200, "POST", refresh, `{"key":"short"}`))
	if !s.letsIn(got.Token) || !got.ExpiresOn.Equal(began.Add(3*time.Hour)) {
		t.Errorf("until %s", got.ExpiresOn)
	}
	// As an import leaves a key that had ended when it was made.
	_, err := s.store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		k := &directory.Key{Digest: directory.DigestOf("gone"), Created: began, Expires: began.Add(-time.Hour)}
		return directory.Put(directory.KeyKey(idsOf("pub")[0], "gone"), k), nil
	})
	callouttest.Must(t, err)
	if e := s.as("root", "POST", refresh, `{"key":"gone"}`); e.code != 409 || !strings.Contains(e.text, "expires_in") {
		t.Errorf("%d %s", e.code, e.text)
	}
	for body, until := range map[string]time.Time{
		`{"key":"gone","expires_in":"30m"}`: began.Add(150 * time.Minute), `{"key":"short","expires_on":"2026-04-01T00:00:00Z"}`: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
		`{"key":"default"}`: {},
	} {
		got := into[wire.UserCreated](t, s.root(200, "POST", refresh, body))
		if !s.letsIn(got.Token) || !got.ExpiresOn.Equal(until) {
			t.Errorf("%s: until %s", body, got.ExpiresOn)
		}
	}
	for _, body := range []string{`{"expires_in":"-1h"}`, `{"expires_in":"soon"}`, `{"expires_on":"2026-01-01T00:00:00Z"}`, `{"expires_in":"1h","expires_on":"2027-01-01T00:00:00Z"}`} {
		s.root(400, "POST", refresh, body)
	}
	s.root(200, "POST", refresh, `{"key":"short","grace":"10m","expires_in":"2h"}`)
	c := s.lastChange()
	same(t, "before", string(c.Before), `{"keys":[{"name":"short","enabled":true,"created_on":"2026-03-01T14:00:00Z","expires_on":"2026-04-01T00:00:00Z"}]}`)
	same(t, "after", string(c.After), `{"keys":[{"name":"short","enabled":true,"created_on":"2026-03-01T14:00:00Z","expires_on":"2026-03-01T16:00:00Z"},
		{"name":"$aside","enabled":true,"created_on":"2026-03-01T14:00:00Z","expires_on":"2026-03-01T14:10:00Z"}]}`)
}

// Nobody locks everybody out.
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
	refused() // expired and off are service admins too, and cannot get in
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
