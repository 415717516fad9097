package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"usher/callout/callouttest"
	"usher/directory/kv"
)

// Attack: a project_admin creates and removes topics or members in a loop, until the bucket is full
// Held by: entries written by administrators of a project count against the project's share of the bucket
func TestProjectShare(t *testing.T) {
	s := start(t, callouttest.KVStoreWith(t, kv.Config{MaxProjectBytes: 20_000}), nil)
	refused := func(got response) bool {
		t.Helper()
		if got.code == http.StatusOK {
			return false
		}
		if e := got.error(t); got.code != http.StatusTooManyRequests || e.Status != "RESOURCE_EXHAUSTED" || !strings.Contains(strings.Join(e.Errors, " "), "24h") {
			t.Fatalf("%d %s", got.code, got.text)
		}
		return true
	}
	created := 0
	for ; created < 200; created++ {
		path := fmt.Sprint("/v1/projects/shop/topics/t", created)
		if refused(s.as("admin", "PUT", path, "")) {
			break
		}
		if got := s.as("admin", "DELETE", path, ""); got.code != http.StatusOK {
			t.Fatalf("%d %s", got.code, got.text)
		}
	}
	if created < 20 || created == 200 {
		t.Errorf("%d topics were created and removed", created)
	}
	if c := s.lastChange(); c.Actor != "admin" || c.Code != "resource_exhausted" || !strings.Contains(c.Cause, "of 20000") {
		t.Errorf("audited %+v", c)
	}
	// Other projects and removals are not affected.
	if got := s.as("lab-admin", "PUT", "/v1/projects/lab/topics/more", ""); got.code != http.StatusOK {
		t.Errorf("another project: %d %s", got.code, got.text)
	}
	s.root(200, "PUT", "/v1/projects/shop/topics/by-root", "")
	for _, path := range []string{"topics/by-root", "subscriptions/audit"} {
		if got := s.as("admin", "DELETE", "/v1/projects/shop/"+path, ""); got.code != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.code, got.text)
		}
	}

	created = 0
	for ; created < 200; created++ {
		name := fmt.Sprint("puppet", created)
		if refused(s.as("lab-admin", "POST", "/v1/projects/lab/members/"+name, `{"projects":[{"project":"lab","roles":["publisher"]}]}`)) {
			break
		}
		if got := s.as("lab-admin", "POST", "/v1/projects/lab/members/"+name+":remove", ""); got.code != http.StatusOK {
			t.Fatalf("%d %s", got.code, got.text)
		}
	}
	if created < 5 || created == 200 {
		t.Errorf("%d users were created", created)
	}
}

// A bucket that is nearly full accepts removals, and changes that add no bytes.
func TestFullDirectory(t *testing.T) {
	s := start(t, callouttest.KVStoreWith(t, kv.Config{MaxBytes: 40_000}), nil)
	last := ""
	for i := range 200 {
		last = fmt.Sprint("/v1/projects/shop/topics/t", i)
		got := s.as("root", "PUT", last, "")
		if got.code == http.StatusOK {
			continue
		}
		if e := got.error(t); got.code != http.StatusInsufficientStorage || e.Status != "INSUFFICIENT_STORAGE" {
			t.Fatalf("%d %s", got.code, got.text)
		}
		break
	}
	if c := s.lastChange(); c.Code != "insufficient_storage" {
		t.Errorf("audited %+v", c)
	}
	s.root(200, "PUT", "/v1/users/pub", `{"name":"pub"}`)
	s.root(200, "DELETE", "/v1/projects/shop/topics/t0", "")
	s.root(200, "DELETE", "/v1/users/pub", "")
}
