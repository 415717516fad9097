package api_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestIfMatch(t *testing.T) {
	s := start(t, nil, nil)
	const path = "/v1/projects/shop"
	acl := s.root(200, "GET", path+"/topics/orders:acl", "").Get("ETag")
	revision, _, _ := strings.Cut(acl, "-")
	for _, tt := range []struct {
		match string
		want  int
	}{
		{`"0"`, 409},
		{`W/` + acl, 409},
		{`"1", "2"`, 409},
		{`orders`, 400},
		{`"open`, 400},
		{`"a" "b"`, 400},
		{`"a",`, 400},
		{`""`, 409},
		{`"1" , ` + acl, 200},
	} {
		got := s.as("admin", "POST", path+"/topics/orders:modifyAcl", `{"authorized_users":["pub"]}`, "If-Match", tt.match)
		if got.code != tt.want {
			t.Errorf("If-Match: %s: %d %s", tt.match, got.code, got.text)
		}
		if tt.want == 409 {
			if e := got.error(t); got.Get("ETag") != acl || e.Message != "Topic ACL has changed; its current revision is "+strings.Trim(revision, `"`) {
				t.Errorf("ETag %s, %s", got.Get("ETag"), e.Message)
			}
		}
	}
	next := s.root(200, "GET", path+"/topics/orders:acl", "").Get("ETag")
	if next == acl {
		t.Error("an edit keeps the ETag")
	}
	revision, _, _ = strings.Cut(next, "-")
	for _, match := range []string{revision + `"`, "*"} { // the revision alone, and a wildcard
		if got := s.as("admin", "POST", path+"/topics/orders:modifyAcl", `{"authorized_users":["pub"]}`, "If-Match", match); got.code != 200 {
			t.Errorf("If-Match %s: %d", match, got.code)
		}
	}
	for _, tt := range []struct{ method, path, body string }{
		{"PUT", "/v1/users/nobody", `{}`},
		{"DELETE", "/v1/users/nobody", ""},
		{"POST", "/v1/users/nobody:refreshToken", ""},
		{"DELETE", "/v1/users/nobody/keys/default", ""},
		{"PUT", path, `{}`},
		{"DELETE", path, ""},
		{"PUT", path + "/members/pub", `{"projects":[{"project":"shop","roles":["consumer"]}]}`},
		{"POST", path + "/members/pub:remove", ""},
		{"DELETE", path + "/topics/returns", ""},
		{"DELETE", path + "/subscriptions/audit", ""},
		{"POST", path + "/subscriptions/audit:modifyAcl", `{"authorized_users":[]}`},
	} {
		before := s.store.Snapshot()
		if got := s.as("root", tt.method, tt.path, tt.body, "If-Match", `"1-00000000"`); got.code != 409 || got.Get("ETag") == "" || s.store.Snapshot() != before {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, got.code, got.text)
		}
	}
	if got := s.as("root", "PUT", path+"/topics/new", "", "If-Match", "*"); got.code != 409 {
		t.Errorf("If-Match matches a missing resource: %d", got.code)
	}
}

func TestIfNoneMatch(t *testing.T) {
	s := start(t, nil, nil)
	const user = "/v1/users/pub"
	tag := s.root(200, "GET", user, "").Get("ETag")
	for _, same := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if got := s.root(http.StatusNotModified, "GET", user, "", "If-None-Match", same); got.text != "" || got.Get("ETag") != tag {
			t.Errorf("%s: %q %s", same, got.text, got.Get("ETag"))
		}
	}
	revision, _, _ := strings.Cut(tag, "-")
	for _, other := range []string{`"x"`, revision + `"`, "nonsense"} {
		s.root(200, "GET", user, "", "If-None-Match", other)
	}
	// Other entries contribute to the ETag.
	s.root(200, "POST", "/v1/projects/shop/topics/returns:modifyAcl", `{"authorized_users":["pub"]}`)
	s.root(200, "GET", user, "", "If-None-Match", tag)
	acl := s.root(200, "GET", "/v1/projects/shop/topics/returns:acl", "").Get("ETag")
	s.root(200, "PUT", user, `{"name":"renamed"}`)
	s.root(200, "GET", "/v1/projects/shop/topics/returns:acl", "", "If-None-Match", acl)
}
