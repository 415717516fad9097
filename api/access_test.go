package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"usher/api"
	"usher/api/rest"
	"usher/directory"
)

// caller is a user, or a key, with its roles.
type caller struct {
	name    string
	service []directory.ServiceRole
	project []directory.Role // in shop
	code    int              // expected from all but open routes; 0: as the table says
	query   bool             // the key is in the URL
}

func callers() []caller {
	return []caller{
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

// Every caller calls every route. Exactly what the table permits passes authorization.
//
// Attack: a user calls a route of the management API that its roles do not permit
// Held by: one table says who may call which route, and is checked before anything else
func TestAccess(t *testing.T) {
	s := start(t, nil, nil)
	calls := 0
	for _, rt := range api.Routes() {
		// With names of missing resources, permitted requests change nothing.
		path := strings.NewReplacer("{project}", "shop", "{user}", "none", "{topic}", "none", "{subscription}", "none", "{key}", "none", "{uuid}", "none", "{session}", "N:1", "{ban}", "none", "{token}", "none").Replace(rt.Path)
		if rt.Name == "user.profile" || len(rt.Variables()) == 0 {
			path = rt.Path
		}
		for _, who := range callers() {
			if rt.Name == "project.delete" && who.code == 0 && rt.Access.Permits(who.service, who.project) {
				continue // the other callers need the project
			}
			calls++
			name, target := who.name, path
			if who.query {
				name, target = "", path+"?key="+s.keys[who.name]
			}
			got := s.as(name, rt.Method, target, "[]")
			want := who.code
			switch {
			case rt.Form != nil: // TestLogout
				continue
			case rt.Access.Open:
				want = http.StatusOK
			case want != 0:
			case !rt.Access.Permits(who.service, who.project):
				want = http.StatusForbidden
			}
			switch {
			case want == http.StatusOK:
				if got.code != want {
					t.Errorf("%s: %s is refused: %d %s", rt.Name, who.name, got.code, got.text)
				}
			case want != 0:
				if e := got.error(t); got.code != want {
					t.Errorf("%s: %s gets %d %s, want %d", rt.Name, who.name, got.code, e.Message, want)
				}
			case slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError}, got.code):
				t.Errorf("%s: %s is permitted, and gets %d %s", rt.Name, who.name, got.code, got.text)
			}
		}
	}
	t.Logf("figures: %d calls", calls)
	size := s.store.Snapshot().Size()
	if want := (directory.Size{Users: 11, Keys: 11, Projects: 2, Topics: 4, Subscriptions: 4}); size != want {
		t.Errorf("the requests changed the directory: %+v", size)
	}
	s.noSecrets()
}

// A key is accepted only in the configured places.
func TestKeyIn(t *testing.T) {
	for _, in := range rest.KeyIns() {
		t.Run(string(in), func(t *testing.T) {
			s := start(t, nil, func(c *api.Config) { c.KeyIn = in })
			good, bad := s.keys["nobody"], "bad"
			for _, tt := range []struct {
				header, query string
				header1       bool // whether it is accepted, by configuration
				query1, both  bool
			}{
				{good, "", true, false, true},
				{"", good, false, true, true},
				{good, bad, true, false, true},
				{bad, good, false, true, false}, // the header takes precedence
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

// noSecrets checks that no key of s.keys is in a response, the log or the audit. Tests remove the
// responses that create a key.
func (s *service) noSecrets() {
	s.t.Helper()
	text := s.logged() + strings.Join(s.responses, "\n") + fmt.Sprintf("%+v", s.changes())
	for _, c := range s.changes() {
		text += string(c.Before) + string(c.After)
	}
	for who, key := range s.keys {
		if strings.Contains(text, key) || strings.Contains(text, directory.DigestOf(key).String()) {
			s.t.Errorf("the key of %s is visible", who)
		}
	}
}
