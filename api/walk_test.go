package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"usher/api/rest"

	"usher/api"
	"usher/directory"
)

// asker is somebody who asks about something in project shop.
type asker struct {
	name    string
	service []directory.ServiceRole
	project []directory.Role // in shop
	code    int              // of every route but open ones; 0: the table says
	query   bool             // the key is in the URL
}

func askers() []asker {
	return []asker{
		{name: "root", service: []directory.ServiceRole{directory.ServiceRoleAdmin}},
		{name: "ingest", service: []directory.ServiceRole{directory.ServiceRoleIngest}},
		{name: "admin", project: []directory.Role{directory.RoleProjectAdmin}},
		{name: "pub", project: []directory.Role{directory.RolePublisher}},
		{name: "con", project: []directory.Role{directory.RoleConsumer}},
		{name: "lab-admin"},
		{name: "lab-pub"},
		{name: "lab-con"},
		{name: "nobody"},
		{name: "", code: http.StatusUnauthorized},
		{name: "opaque-and-unknown", code: http.StatusUnauthorized},
		{name: "usher_mistyped", code: http.StatusUnauthorized},
		{name: "expired", code: http.StatusUnauthorized},
		{name: "off", code: http.StatusUnauthorized},
		{name: "root", code: http.StatusUnauthorized, query: true},
	}
}

// The whole table: every route for everybody. What the table permits gets past
// the checks of roles, and nothing else does.
//
// Attack: calling a route of the management API that one's roles do not permit
// Held by: one table says who may do what, and is asked before anything else
func TestWalk(t *testing.T) {
	s := start(t, nil, nil)
	calls := 0
	for _, rt := range api.Routes() {
		// A name that is nowhere: whoever may ask hears that, and nothing changes.
		path := strings.NewReplacer("{project}", "shop", "{user}", "none", "{topic}", "none", "{subscription}", "none", "{key}", "none", "{uuid}", "none").Replace(rt.Path)
		if rt.Name == "user.profile" || len(rt.Variables()) == 0 {
			path = rt.Path
		}
		for _, who := range askers() {
			if rt.Name == "project.delete" && who.code == 0 && rt.Access.Permits(who.service, who.project) {
				continue // the others need the project
			}
			calls++
			name, target := who.name, path
			if who.query {
				name, target = "", path+"?key="+s.keys[who.name]
			}
			got := s.as(name, rt.Method, target, "[]")
			want := who.code
			switch {
			case rt.Access.Open:
				want = http.StatusOK
			case want != 0:
			case !rt.Access.Permits(who.service, who.project):
				want = http.StatusForbidden
			}
			switch {
			case want == http.StatusOK:
				if got.code != want {
					t.Errorf("%s: %s may not: %d %s", rt.Name, who.name, got.code, got.text)
				}
			case want != 0:
				if e := got.error(t); got.code != want {
					t.Errorf("%s: %s gets %d %s, want %d", rt.Name, who.name, got.code, e.Message, want)
				}
			case slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError}, got.code):
				t.Errorf("%s: %s may, and gets %d %s", rt.Name, who.name, got.code, got.text)
			}
		}
	}
	t.Logf("figures: %d calls", calls)
	size := s.store.Snapshot().Size()
	if want := (directory.Size{Users: 11, Keys: 11, Projects: 2, Topics: 4, Subscriptions: 4}); size != want {
		t.Errorf("the walk changed the directory: %+v", size)
	}
	s.noSecrets()
}

// Where a key may be.
func TestKeyIn(t *testing.T) {
	for _, in := range rest.KeyIns() {
		t.Run(string(in), func(t *testing.T) {
			s := start(t, nil, func(c *api.Config) { c.KeyIn = in })
			good, bad := s.keys["nobody"], "bad"
			for _, tt := range []struct {
				header, query string
				header1       bool // whether it is let in, by place
				query1, both  bool
			}{
				{good, "", true, false, true},
				{"", good, false, true, true},
				{good, bad, true, false, true},
				{bad, good, false, true, false}, // a header decides alone
				{bad, bad, false, false, false},
				{"", "", false, false, false},
			} {
				want := map[rest.KeyIn]bool{rest.KeyInHeader: tt.header1, rest.KeyInQuery: tt.query1, rest.KeyInBoth: tt.both}[in]
				path := "/v1/users/profile"
				if tt.query != "" {
					path += "?key=" + tt.query
				}
				got := s.as(tt.header, http.MethodGet, path, "")
				if (got.code == http.StatusOK) != want || !want && got.code != http.StatusUnauthorized {
					t.Errorf("header %t, query %t: %d", tt.header == good, tt.query == good, got.code)
				}
			}
			s.noSecrets()
		})
	}
}

// noSecrets looks for every key in what was logged, audited and answered. Keys
// that were answered on purpose are not among them.
func (s *service) noSecrets() {
	s.t.Helper()
	text := s.logged() + strings.Join(s.shown, "\n") + fmt.Sprintf("%+v", s.changes())
	for _, c := range s.changes() {
		text += string(c.Before) + string(c.After)
	}
	for who, key := range s.keys {
		if strings.Contains(text, key) || strings.Contains(text, directory.DigestOf(key).String()) {
			s.t.Errorf("the key of %s is shown", who)
		}
	}
}
