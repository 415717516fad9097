package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"usher/api"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/audit"
)

// The life of a user, with the requests that clients of AMS send.
func TestUser(t *testing.T) {
	s := start(t, nil, nil)
	made := s.root(200, "POST", "/v1/users/ada", `{"email":"a@example.org","first_name":"Ada","unknown":[1],"service_roles":[],
		"projects":[{"project":"shop","roles":["publisher","consumer"],"topics":["orders"]}]}`)
	found := sameJSON(t, "created", made.text, `{"uuid":"$id","name":"ada","first_name":"Ada","email":"a@example.org","enabled":true,"service_roles":[],
		"projects":[{"project":"shop","roles":["publisher","consumer"],"topics":[],"subscriptions":[]}],
		"created_on":"2026-03-01T12:00:00Z","modified_on":"2026-03-01T12:00:00Z","created_by":"root","token":"$key","key":"default"}`)
	s.keys["ada"] = found["$key"]
	if c := s.lastChange(); c.Outcome != audit.Changed || c.Action != "user.create" || c.Actor != "root" || c.ActorKeyID != "default" ||
		c.Resource != "/users/ada" || c.Before != nil || !strings.Contains(string(c.After), "a@example.org") || c.Revision == 0 ||
		c.RequestID != made.Get("X-Request-Id") || c.ClientHost != "127.0.0.1" {
		t.Errorf("audited %+v", c)
	}
	if got := s.as("ada", "GET", "/v1/users/profile", ""); got.code != 200 || got.Get("ETag") != made.Get("ETag") {
		t.Errorf("%d, ETag %s and then %s", got.code, made.Get("ETag"), got.Get("ETag"))
	}
	s.now.Add(60)
	s.root(200, "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["pub","ada"]}`)
	sameJSON(t, "updated", s.root(200, "PUT", "/v1/users/ada", `{"name":"lovelace","email":"","projects":[{"project":"lab","roles":["project_admin"]}]}`).text,
		`{"uuid":"$id","name":"lovelace","first_name":"Ada","email":"","enabled":true,"service_roles":[],
		"projects":[{"project":"lab","roles":["project_admin"],"topics":[],"subscriptions":[]}],
		"created_on":"2026-03-01T12:00:00Z","modified_on":"2026-03-01T12:01:00Z","created_by":"root"}`)
	sameJSON(t, "a removed member is in no ACL", s.root(200, "GET", "/v1/projects/shop/topics/orders:acl", "").text, `{"authorized_users":["pub"]}`)
	s.root(404, "GET", "/v1/users/ada", "")
	if got := s.as("ada", "GET", "/v1/projects/lab/members", ""); got.code != 200 {
		t.Errorf("the key does not work after renaming the user: %d", got.code)
	}
	s.root(200, "PUT", "/v1/users/lovelace", `{"enabled":false}`)
	if got := s.as("ada", "GET", "/v1/users/profile", ""); got.code != 401 {
		t.Errorf("the key of a disabled user: %d", got.code)
	}
	if got := s.root(200, "DELETE", "/v1/users/lovelace", ""); got.text != "" {
		t.Errorf("deleted: %q", got.text)
	}
	if c := s.lastChange(); c.Before == nil || c.After != nil || c.Outcome != audit.Changed {
		t.Errorf("audited %+v", c)
	}
	s.root(404, "DELETE", "/v1/users/lovelace", "")
	if c := s.lastChange(); c.Outcome != audit.Refused || c.Code != "not_found" || c.Revision != 0 {
		t.Errorf("audited %+v", c)
	}
	s.responses = s.responses[1:] // the response with the key
	s.noSecrets()
}

func TestMembers(t *testing.T) {
	s := start(t, nil, nil)
	made := s.as("admin", "POST", "/v1/projects/shop/members/ada", `{"email":"e","projects":[{"project":"shop","roles":["consumer"]}]}`)
	s.keys["ada"] = sameJSON(t, "created", made.text, `{"uuid":"$id","name":"ada","email":"e","enabled":true,"service_roles":[],
		"projects":[{"project":"shop","roles":["consumer"],"topics":[],"subscriptions":[]}],
		"created_on":"2026-03-01T12:00:00Z","modified_on":"2026-03-01T12:00:00Z","token":"$key","key":"default"}`)["$key"]
	const member = `{"uuid":"$id","name":"ada","email":"e","enabled":true,"service_roles":[],
		"projects":[{"project":"shop","roles":["%s"],"topics":[],"subscriptions":[]}],
		"created_on":"2026-03-01T12:00:00Z","modified_on":"2026-03-01T12:00:00Z"}`
	sameJSON(t, "shown", s.as("admin", "GET", "/v1/projects/shop/members/ada", "").text, fmt.Sprintf(member, "consumer"))
	s.root(200, "POST", "/v1/projects/lab/members/ada:add", `{"roles":["publisher"]}`)
	sameJSON(t, "without other projects", s.as("admin", "PUT", "/v1/projects/shop/members/ada",
		`{"email":"ignored","service_roles":["service_admin"],"projects":[{"project":"shop","roles":["publisher"]}]}`).text, fmt.Sprintf(member, "publisher"))
	list := decode[wire.UserList](t, s.as("admin", "GET", "/v1/projects/shop/members", ""))
	if list.TotalSize != 4 || len(list.Users) != 4 {
		t.Errorf("members: %+v", list)
	}
	for _, u := range list.Users {
		if len(u.Projects) != 1 || u.Projects[0].Project != "shop" || u.CreatedBy != "" {
			t.Errorf("shown to the project's admin: %+v", u)
		}
	}
	s.as("admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["ada"]}`)
	sameJSON(t, "removed", s.as("admin", "POST", "/v1/projects/shop/members/ada:remove", "").text, `{}`)
	sameJSON(t, "a removed member is in no ACL", s.root(200, "GET", "/v1/projects/shop/topics/orders:acl", "").text, `{"authorized_users":[]}`)
	u := decode[wire.User](t, s.root(200, "GET", "/v1/users/ada", ""))
	if len(u.Projects) != 1 || u.Projects[0].Project != "lab" || u.CreatedBy != "admin" {
		t.Errorf("removed from one project: %+v", u)
	}
	s.responses = s.responses[1:]
	s.noSecrets()
}

func TestProjectsTopicsSubscriptions(t *testing.T) {
	s := start(t, nil, nil)
	sameJSON(t, "project", s.root(200, "POST", "/v1/projects/mail", "").text,
		`{"name":"mail","account":"APP","created_on":"2026-03-01T12:00:00Z","modified_on":"2026-03-01T12:00:00Z","created_by":"root","description":""}`)
	sameJSON(t, "with an account", s.root(200, "PUT", "/v1/projects/mail", `{"account":"MAIL","description":"d"}`).text,
		`{"name":"mail","account":"MAIL","created_on":"2026-03-01T12:00:00Z","modified_on":"2026-03-01T12:00:00Z","created_by":"root","description":"d"}`)
	sameJSON(t, "topic", s.root(200, "PUT", "/v1/projects/mail/topics/in", `{"subject":"all.mail"}`).text,
		`{"name":"/projects/mail/topics/in","subject":"all.mail","created_on":"2026-03-01T12:00:00Z"}`)
	sameJSON(t, "subscription", anyHash(s.root(200, "PUT", "/v1/projects/mail/subscriptions/out", `{"topic":"projects/mail/topics/in","ackDeadlineSeconds":30,
		"pushConfig":{"pushEndpoint":"https://h.example:8443/receive?a=opaque","retryPolicy":{}}}`).text),
		`{"name":"/projects/mail/subscriptions/out","topic":"/projects/mail/topics/in","ackDeadlineSeconds":30,"createdOn":"2026-03-01T12:00:00Z",
		"pushConfig":{"type":"http_endpoint","pushEndpoint":"https://h.example:8443/receive?a=opaque","maxMessages":1,"authorizationHeader":{"type":"disabled"},
		"retryPolicy":{"type":"linear","period":3000},"verificationHash":"HASH","verified":false,"mattermostUrl":"","mattermostUsername":"","mattermostChannel":"","base64Decode":false}}`)
	if c := s.lastChange(); strings.Contains(string(c.After), "opaque") || !strings.Contains(string(c.After), "https://h.example:8443") {
		t.Errorf("audited %s", c.After)
	}
	for _, address := range []string{"https://u:p@h.example", "https://h.example/" + s.keys["root"], "https:opaque", "ftp://h.example"} {
		s.root(400, "PUT", "/v1/projects/mail/subscriptions/other", `{"topic":"projects/mail/topics/in","pushConfig":{"pushEndpoint":"`+address+`"}}`)
	}
	s.root(200, "DELETE", "/v1/projects/mail/subscriptions/out", "")
	s.root(404, "DELETE", "/v1/projects/mail/subscriptions/out", "")
	s.root(200, "DELETE", "/v1/projects/mail/topics/in", "")
	s.root(404, "GET", "/v1/projects/mail/topics/in", "")
	sameJSON(t, "renamed", s.root(200, "PUT", "/v1/projects/mail", `{"name":"post"}`).text,
		`{"name":"post","account":"MAIL","created_on":"2026-03-01T12:00:00Z","modified_on":"2026-03-01T12:00:00Z","created_by":"root","description":"d"}`)
	s.root(409, "PUT", "/v1/projects/post", `{"name":"shop"}`)
	if got := s.as("admin", "DELETE", "/v1/projects/shop", ""); got.code != 200 || got.text != "" {
		t.Errorf("deleted: %d %q", got.code, got.text)
	}
	if got := s.store.Snapshot().Size(); got.Projects != 2 || got.Topics != 2 || got.Users != 11 {
		t.Errorf("directory: %+v", got)
	}
	s.noSecrets()
}

// A caller that has lost its role or key while its request was processed changes nothing.
//
// Attack: a user is demoted while one of its requests is processed; the request succeeds nevertheless
// Held by: roles are looked up in the snapshot that the change is made on
func TestDemotedBeforeCommit(t *testing.T) {
	for name, loss := range map[string]struct {
		change func(s *snapshot.Snapshot) []directory.Entry
		want   int
	}{
		"membership": {func(s *snapshot.Snapshot) []directory.Entry {
			return s.RemoveMember(directory.IDOf(directory.KindProject, "shop"), idsOf("admin")[0])
		}, http.StatusForbidden},
		"key": {func(*snapshot.Snapshot) []directory.Entry {
			return directory.Remove(directory.KeyKey(idsOf("admin")[0], "default"))
		}, http.StatusUnauthorized},
		"project": {func(s *snapshot.Snapshot) []directory.Entry {
			return s.RemoveProject(directory.IDOf(directory.KindProject, "shop"))
		}, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			store := &racingStore{Store: callouttest.KVStore(t)}
			s := start(t, store, nil)
			store.before = loss.change
			if got := s.as("admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":[]}`); got.code != loss.want {
				t.Errorf("%d %s", got.code, got.text)
			}
			if users, _, ok := s.store.Snapshot().ACL(directory.KindTopicACL, "shop", "orders"); ok && len(users) != 1 {
				t.Errorf("the ACL is %v", users)
			}
			if c := s.lastChange(); c.Outcome != audit.Refused || c.Actor != "admin" {
				t.Errorf("audited %+v", c)
			}
		})
	}
}

// racingStore is a store in which another writer commits once, before or after a change.
type racingStore struct {
	*kv.Store
	before func(*snapshot.Snapshot) []directory.Entry // the next change
	after  func(*snapshot.Snapshot) []directory.Entry // the next change
	fail   error                                      // of every change; nil: none
}

func (m *racingStore) Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	if before := m.before; before != nil {
		m.before = nil
		if _, err := m.Store.Change(ctx, func(s *snapshot.Snapshot) ([]directory.Entry, error) { return before(s), nil }); err != nil {
			return nil, err
		}
	}
	next, err := m.Store.Change(ctx, f)
	if after := m.after; after != nil && err == nil {
		m.after = nil
		return m.Store.Change(ctx, func(s *snapshot.Snapshot) ([]directory.Entry, error) { return after(s), nil })
	}
	return next, err
}

// The response to a creation shows the resource as it was created, with its key, even if
// another writer has renamed, removed or replaced it since.
func TestCreatedAndChangedSince(t *testing.T) {
	user := func(s *snapshot.Snapshot) *directory.User {
		u, _ := s.User("neo")
		v := *u
		v.Name = "trinity"
		return &v
	}
	for name, since := range map[string]func(*snapshot.Snapshot) []directory.Entry{
		"renamed": func(s *snapshot.Snapshot) []directory.Entry {
			return directory.Put(directory.UserKey(user(s).ID), user(s))
		},
		"removed": func(s *snapshot.Snapshot) []directory.Entry { return s.RemoveUser(user(s).ID) },
		"replaced": func(s *snapshot.Snapshot) []directory.Entry {
			u := user(s)
			return append(directory.Put(directory.UserKey(u.ID), u), directory.Put(directory.UserKey(directory.IDOf(directory.KindUser, "other")), &directory.User{Name: "neo"})...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &racingStore{Store: callouttest.KVStore(t)}
			s := start(t, store, nil)
			store.after = since
			got := s.root(200, "POST", "/v1/users/neo", `{"service_roles":["ingest"],"projects":[{"project":"shop","roles":["publisher"]}]}`)
			made := decode[wire.UserCreated](t, got)
			if made.Name != "neo" || made.Token == "" || len(made.Projects) != 1 || len(made.ServiceRoles) != 1 || got.Get("ETag") != "" {
				t.Errorf("ETag %q, %s", got.Get("ETag"), got.text)
			}
			if c := s.lastChange(); c.Outcome != audit.Changed || c.Revision == 0 || !strings.Contains(string(c.After), `"neo"`) {
				t.Errorf("audited %+v", c)
			}
			if name != "removed" && !s.accepts(made.Token) {
				t.Error("the key is not accepted")
			}
		})
	}
}

// The revisions in the audit increase with each change, including removals.
func TestAuditRevisions(t *testing.T) {
	s := start(t, nil, nil)
	var last uint64
	for _, tt := range [][3]string{
		{"PUT", "/v1/projects/shop/topics/new", ""},
		{"DELETE", "/v1/projects/shop/topics/new", ""},
		{"POST", "/v1/users/ada", `{"projects":[{"project":"shop","roles":["publisher"]}]}`},
		{"PUT", "/v1/users/ada", `{"projects":[]}`},
		{"POST", "/v1/users/ada/keys", `{"name":"other"}`},
		{"DELETE", "/v1/users/ada/keys/other", ""},
		{"POST", "/v1/users/ada:refreshToken", ""},
		{"DELETE", "/v1/users/ada", ""},
		{"POST", "/v1/directory:import", "users: [{name: bea}]\n"},
	} {
		s.root(200, tt[0], tt[1], tt[2])
		if c := s.lastChange(); c.Revision <= last {
			t.Errorf("%s %s: revision %d after %d", tt[0], tt[1], c.Revision, last)
		} else {
			last = c.Revision
		}
	}
}

// A store that fails is an error with a level of its own, and audited.
func TestStoreFails(t *testing.T) {
	store := &racingStore{Store: callouttest.KVStore(t)}
	s := start(t, store, nil)
	for _, tt := range []struct {
		err    error
		code   int
		status string
		level  string
	}{
		{fmt.Errorf("%w: no responders", kv.ErrUnavailable), http.StatusServiceUnavailable, "UNAVAILABLE", "WARN"},
		{errors.New("the cause, with " + s.keys["root"]), http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "ERROR"},
	} {
		store.fail = tt.err
		got := s.as("root", "POST", "/v1/projects/new", "")
		if e := got.error(t); got.code != tt.code || e.Status != tt.status || strings.Contains(e.Message, "cause") {
			t.Errorf("%d %s", got.code, got.text)
		}
		if c := s.lastChange(); c.Outcome != audit.Failed || c.Code != strings.ToLower(tt.status) {
			t.Errorf("audited %+v", c)
		}
		if !strings.Contains(s.logged(), `"level":"`+tt.level+`","msg":"request","request_id":"`+got.Get("X-Request-Id")) {
			t.Errorf("not logged: %s", s.logged())
		}
	}
	s.noSecrets()
}

// Without a directory no key can be verified.
func TestDirectoryNotLoaded(t *testing.T) {
	s := start(t, nil, nil)
	h, err := api.New(api.Config{
		Store: unloaded{}, Audit: func(audit.Change) {}, Now: s.clock, Random: &counter{}, NewID: func() string { return "r" }, Log: discard(),
		Explain: func(string, string) any { return nil },
	})
	callouttest.Must(t, err)
	s.http.Config.Handler = h
	if got := s.as("root", "GET", "/v1/users", ""); got.code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", got.code, got.text)
	}
	if got := s.as("", "GET", "/v1/status", ""); decode[wire.Status](t, got).Status != "warning" {
		t.Errorf("status: %s", got.text)
	}
}

type unloaded struct{ rest.Store }

func (unloaded) Snapshot() *snapshot.Snapshot { return nil }

// Concurrent writers change one ACL with If-Match. Of the writers that read a revision, one
// succeeds and the others get a conflict. No acknowledged change is lost.
func TestConcurrentEdits(t *testing.T) {
	s := start(t, nil, nil)
	const writers, edits = 8, 25 // 200 in total
	var wg sync.WaitGroup
	var mu sync.Mutex
	replaced := map[string]string{} // ETag → the ETag that replaced it
	const path = "/v1/projects/shop/topics/orders"
	first := s.root(200, "GET", path+":acl", "").Get("ETag")
	for i := range writers {
		wg.Go(func() {
			for n := 0; n < edits; {
				tag := s.root(200, "GET", path+":acl", "").Get("ETag")
				list := [][]string{{"pub"}, {"con"}, {"pub", "con"}, {}}[(i+n)%4]
				body := `{"authorized_users":["` + strings.Join(list, `","`) + `"]}`
				got := s.as("admin", "POST", path+":modifyAcl", strings.ReplaceAll(body, `[""]`, `[]`), "If-Match", tag)
				switch got.code {
				case http.StatusOK:
					mu.Lock()
					if other, taken := replaced[tag]; taken {
						t.Errorf("%s was replaced by %s and by %s", tag, other, got.Get("ETag"))
					}
					replaced[tag] = got.Get("ETag")
					mu.Unlock()
					n++
				case http.StatusConflict:
					if got.Get("ETag") == "" || got.Get("ETag") == tag {
						t.Errorf("conflict without the current ETag: %q", got.Get("ETag"))
					}
				default:
					t.Errorf("%d %s", got.code, got.text)
					return
				}
			}
		})
	}
	wg.Wait()
	length := 0
	for tag := first; replaced[tag] != ""; tag = replaced[tag] {
		length++
	}
	if length != writers*edits {
		t.Errorf("a chain of %d edits, %d were acknowledged", length, writers*edits)
	}
}

// anyHash replaces the verification hash of a push configuration.
func anyHash(text string) string {
	return regexp.MustCompile(`"verificationHash":"[0-9a-f]{64}"`).ReplaceAllString(text, `"verificationHash":"HASH"`)
}
