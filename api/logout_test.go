package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"usher/api"
	"usher/api/sessions"
	"usher/api/wire"
	"usher/identity"
	"usher/internal/audit"
	"usher/tokens"
)

// What a logout is answered with, and what the audit has of it.
//
// Attack: anybody calls the open route of logouts, with whatever body
// Held by: one form, the limits of every body, the limit on failures of a host
func TestLogout(t *testing.T) {
	s := start(t, nil, func(c *api.Config) {
		c.FailedKeys = 5
		c.LogOut = func(_ context.Context, token string) (sessions.Logout, error) {
			done := sessions.Logout{Authority: "keycloak", Target: "identity grace of authority keycloak", Revision: 7}
			switch token {
			case "good":
				return done, nil
			case "again":
				done.Repeated = true
				return done, nil
			case "full":
				return done, errors.New("the directory is full")
			case "undecided":
				return sessions.Logout{}, tokens.ErrUnavailable
			}
			return sessions.Logout{}, tokens.Reject("oidc_signature", "the signature of "+token, identity.Identity{})
		}
	})
	form := func(token string) string { return url.Values{"logout_token": {token}, "other": {"x"}}.Encode() }
	const kind = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name, kind, body string
		code             int
		err              string
	}{
		{"good", kind, form("good"), 200, ""},
		{"with a charset", kind + "; charset=utf-8", form("good"), 200, ""},
		{"again", kind, form("again"), 200, ""},
		{"the directory is full", kind, form("full"), 503, "temporarily_unavailable"},
		{"no keys", kind, form("undecided"), 503, "temporarily_unavailable"},
		{"a bad token", kind, form("bad-token"), 400, "invalid_request"},
		{"JSON", "application/json", `{"logout_token":"good"}`, 400, "invalid_request"},
		{"a form as text", "text/plain", form("good"), 400, "invalid_request"},
		{"no content type", "", form("good"), 400, "invalid_request"},
		{"two tokens", kind, form("good") + "&" + form("good"), 400, "invalid_request"},
		{"no token", kind, "x=y", 400, "invalid_request"},
		{"an empty token", kind, "logout_token=", 400, "invalid_request"},
		{"no form", kind, "logout_token=%zz", 400, "invalid_request"},
		{"no body", kind, "", 400, "invalid_request"},
		{"oversized", kind, form(strings.Repeat("x", 80<<10)), 413, "invalid_request"},
	} {
		s.now.Add(60) // the host has failures left
		got := s.as("", http.MethodPost, "/v1/logout", tt.body, "Content-Type", tt.kind)
		if got.code != tt.code || got.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, %v", tt.name, got.code, got.text, got.Header)
		}
		if tt.err == "" {
			if got.text != "" {
				t.Errorf("%s: %q", tt.name, got.text)
			}
		} else if e := decode[wire.OAuthError](t, got); e.Error != tt.err || e.Description == "" {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		if got := s.as("", method, "/v1/logout?"+form("good"), ""); got.code != http.StatusMethodNotAllowed || got.Get("Allow") != "POST" {
			t.Errorf("%s: %d", method, got.code)
		}
	}
	var audited []string
	for _, c := range s.changes() {
		audited = append(audited, fmt.Sprintf("%s %s %s %s %s %d", c.Outcome, c.Actor, c.Action, c.Resource, c.Reason, c.Revision))
	}
	changed := string(audit.Changed) + " keycloak session.logout /logout identity grace of authority keycloak 7"
	failed := string(audit.Failed) + " keycloak session.logout /logout identity grace of authority keycloak 0"
	if want := strings.Join([]string{changed, changed, failed}, "\n"); strings.Join(audited, "\n") != want {
		t.Errorf("audited %q", audited)
	}

	codes := map[int]int{}
	for range 100 {
		codes[s.as("", http.MethodPost, "/v1/logout", form("bad"), "Content-Type", kind).code]++
	}
	if codes[http.StatusTooManyRequests] < 70 || codes[http.StatusBadRequest] == 0 || len(codes) != 2 {
		t.Errorf("bad tokens of one host: %v", codes)
	}
	if got := s.as("", http.MethodPost, "/v1/logout", form("good"), "Content-Type", kind); got.code != http.StatusOK {
		t.Errorf("a good token of the same host: %d", got.code)
	}
	if got := start(t, nil, nil).as("", http.MethodPost, "/v1/logout", form("good"), "Content-Type", kind); got.code != http.StatusBadRequest {
		t.Errorf("without an authority: %d", got.code)
	}
}
