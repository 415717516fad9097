package api_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/api"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory/snapshot"
)

// serve handles a request of root without a network.
func (s *service) serve(method string, target *url.URL, body string) response {
	req := httptest.NewRequest(method, "/", strings.NewReader(body))
	req.URL = target
	req.Header.Set(rest.HeaderKey, s.keys["root"])
	rec := httptest.NewRecorder()
	s.http.Config.Handler.ServeHTTP(rec, req)
	return response{rec.Code, rec.Result().Header, rec.Body.String()}
}

// checkResponse checks that a response is a success or a documented error, and no fault of usher.
func (s *service) checkResponse(t *testing.T, got response) {
	t.Helper()
	if got.code >= 300 {
		got.error(t)
	}
	if got.code >= http.StatusInternalServerError {
		t.Errorf("%d %s\n%s", got.code, got.text, s.logged())
	}
}

var pathVariable = regexp.MustCompile(`\{\w+\}`)

// Every body gets a documented response, and the directory stays valid.
func FuzzBody(f *testing.F) {
	var routes []rest.Route
	for _, r := range api.Routes() {
		if r.Body != nil {
			routes = append(routes, r)
		}
	}
	for i := range routes {
		for _, seed := range []string{
			"", "{}", "[]", "null", `{"name":"new"}`, `{"authorized_users":["pub","con"]}`, `{"projects":[{"project":"shop","roles":["publisher"]}]}`,
			`{"topic":"projects/shop/topics/orders","ackDeadlineSeconds":20,"pushConfig":{"pushEndpoint":"https://h.example"}}`,
			`{"name":"k","expires_in":"1h","source_networks":["10.0.0.0/8"]}`, `{"key":"default","grace":"1h"}`, `{"account":"A","description":"d"}`,
			`{"subject":"shop.x.y"}`, `{"roles":["consumer"],"project":"shop"}`, `{"enabled":false,"service_roles":["ingest"],"connection_types":["MQTT"]}`,
			`{"a":{"b":[{"c":1,"C":2}]}}`, "{\"email\":\"\xff\"}", `{"email":"\u0000\ud800"}`, `{"name":"a"}{"name":"b"}`,
		} {
			f.Add(byte(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, body string) {
		s := start(t, newMemory(), nil)
		r := &routes[int(which)%len(routes)]
		for _, name := range []string{"pub", "fresh"} {
			path := strings.NewReplacer("{project}", "shop", "{topic}", "orders", "{subscription}", "billing").Replace(r.Path)
			got := s.serve(r.Method, &url.URL{Path: pathVariable.ReplaceAllString(path, name)}, body)
			s.checkResponse(t, got)
			if got.code == http.StatusOK && r.Method != http.MethodGet && len(s.changes()) == 0 {
				t.Error("a change was not audited")
			}
		}
		if _, err := snapshot.New(s.store.Snapshot().Records()); err != nil {
			t.Errorf("the directory is invalid: %v", err)
		}
	})
}

// No invalid name in a path is accepted.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"orders", "a.b", "", "..", "a/b", "orders:acl", ":acl", "a%2Fb", "_INBOX", "*", ">", "é", "a\x00", "users:byUUID", "profile", "usher_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABsfVDA"} {
		f.Add(seed, byte(0))
		f.Add(seed, byte(40))
	}
	routes := slices.DeleteFunc(api.Routes(), func(r rest.Route) bool { return r.OAuthErrors }) // TestLogout
	name := regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	f.Fuzz(func(t *testing.T, value string, which byte) {
		s := start(t, newMemory(), nil)
		r := &routes[int(which)%len(routes)]
		path := pathVariable.ReplaceAllLiteralString(r.Path, value)
		body := ""
		if r.Body != nil {
			body = "{}"
		}
		got := s.serve(r.Method, &url.URL{Path: path}, body)
		s.checkResponse(t, got)
		if len(r.Variables()) > 0 && got.code == http.StatusOK && !name.MatchString(value) {
			t.Errorf("%s %q: %d", r.Method, path, got.code)
		}
	})
}

// An arbitrary page token is refused, or selects a page of the list.
func FuzzPageToken(f *testing.F) {
	for _, seed := range []string{
		"", "x", "1/topic.list/0/0/a", "1/topic.list/-62135596800/0/orders", "1/topic.list/9223372036854775807/999999999/a", "2/topic.list/0/0/a",
		"1/topic.list/00/0/a", "1/topic.list/0/1000000000/a", "1/topic.list/0/0/a/b", "1/user.list/0/0/a", "1/topic.list/0/0/*",
	} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(seed)))
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		s := start(t, newMemory(), nil)
		got := s.serve("GET", &url.URL{Path: "/v1/projects/shop/topics", RawQuery: url.Values{"pageToken": {token}, "pageSize": {"1"}}.Encode()}, "")
		s.checkResponse(t, got)
		if got.code == http.StatusOK {
			if list := decode[wire.TopicList](t, got); len(list.Topics) > 1 || list.TotalSize != 2 {
				t.Errorf("%q: %+v", token, list)
			}
		}
	})
}
