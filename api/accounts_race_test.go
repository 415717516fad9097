package api_test

import (
	"strings"
	"testing"
)

// secondAdmin creates a second service_admin, root2, and returns a function that demotes it.
func (s *service) secondAdmin() (demote func()) {
	s.t.Helper()
	created := decode[struct{ Token string }](s.t, s.root(200, "POST", "/v1/users/root2", `{"service_roles":["service_admin"]}`))
	s.keys["root2"] = created.Token
	return func() { s.root(200, "PUT", "/v1/users/root2", `{"service_roles":[]}`) }
}

// orphan adds the account of a project that is not in the directory.
func (b *fakeAccounts) orphan(project string) { b.open[project] = project }

// Attack: while a request to close the account of a removed project waits, its author is demoted or a project moves into the account; the account is closed nevertheless
// Held by: when the account is marked as closing, the author's rights are checked again, and that no project uses the account
func TestCloseOrphanedAccount(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(s *service)
		code      int
		text      string
	}{
		"demoted":                                  {nil, 404, ""},
		"another project moved in":                 {func(s *service) { s.root(200, "PUT", "/v1/projects/shop", `{"account":"bar"}`) }, 409, "Project shop has moved into the account"},
		"project created again":                    {func(s *service) { s.root(200, "POST", "/v1/projects/bar", "") }, 409, "Project bar has been created again"},
		"project created again in another account": {func(s *service) { s.root(200, "POST", "/v1/projects/bar", `{"account":"APP"}`) }, 409, "Project bar has been created again"},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := startWithAccounts(t)
			demote := s.secondAdmin()
			b.orphan("bar")
			b.whileWaiting = demote
			if c.meanwhile != nil {
				b.whileWaiting = func() { c.meanwhile(s) }
			}
			got := s.as("root2", "DELETE", "/v1/projects/bar?purge=true", "")
			if got.code != c.code || !strings.Contains(got.text, c.text) || b.open["bar"] != "bar" || b.closing["bar"] {
				t.Errorf("%d %s; open %v, closing %v", got.code, got.text, b.open, b.closing)
			}
		})
	}
	// The author is demoted after the wait.
	s, b := startWithAccounts(t)
	b.orphan("bar")
	b.whileRunning = s.secondAdmin()
	if got := s.as("root2", "DELETE", "/v1/projects/bar", ""); got.code != 404 || b.open["bar"] == "" {
		t.Errorf("demoted after the wait: %d %s", got.code, got.text)
	}
	b.whileRunning = nil
	s.root(200, "DELETE", "/v1/projects/bar", "")
	if len(b.open) != 0 {
		t.Errorf("still open: %v", b.open)
	}
}

// Attack: a project is put into an account that is being closed; its clients are disconnected and its streams purged
// Held by: no project can use an account that is marked as closing, or that was closed after it was created
func TestClosingAccountRefusesProjects(t *testing.T) {
	s, b := startWithAccounts(t)
	const text = "projects: [{name: n1, account: bar}]\n"
	b.orphan("bar")
	b.whileRunning = func() {
		b.whileRunning = nil
		for _, r := range [][3]string{
			{"PUT", "/v1/projects/shop", `{"account":"bar"}`},
			{"POST", "/v1/projects/new", `{"account":"bar"}`},
			{"POST", "/v1/projects/bar", `{"account":"bar"}`},
		} {
			if got := s.root(409, r[0], r[1], r[2]); !strings.Contains(got.text, "Account bar is being closed") {
				t.Errorf("%s %s: %s", r[0], r[1], got.text)
			}
		}
		if got := s.root(200, "POST", "/v1/directory:import", text); !strings.Contains(got.text, "Account bar is being closed") {
			t.Errorf("import: %s", got.text)
		}
	}
	s.root(200, "DELETE", "/v1/projects/bar", "")
	for _, name := range []string{"new", "bar", "n1"} {
		if _, ok := s.store.Snapshot().Project(name); ok {
			t.Errorf("project %s exists", name)
		}
	}

	// Another request closes the new account before the project is in the directory.
	closed := func() { b.open = map[string]string{} }
	closing := func() { b.closing["bar"] = true }
	for name, between := range map[string]func(){"closed": closed, "closing": closing} {
		b.whileRunning = between
		for _, r := range [][2]string{{"/v1/projects/bar", ""}, {"/v1/directory:import", "projects: [{name: bar}]\n"}} {
			if got := s.as("root", "POST", r[0], r[1]); !strings.Contains(got.text, "UNAVAILABLE") {
				t.Errorf("%s, %s: %d %s", name, r[0], got.code, got.text)
			}
			if _, ok := s.store.Snapshot().Project("bar"); ok {
				t.Fatalf("%s, %s: bar is in an account that does not exist", name, r[0])
			}
		}
	}
	b.whileRunning, b.closing = nil, map[string]bool{}
	s.root(200, "POST", "/v1/projects/bar", "")
}

// Attack: a service_admin is removed while its request waits; the request still creates and signs accounts
// Held by: rights are checked again after the wait, and before each JWT is signed
func TestRemovedAdminCreatesNoAccount(t *testing.T) {
	for _, r := range [][2]string{{"/v1/projects/late", ""}, {"/v1/directory:import", "projects: [{name: late}]\n"}} {
		s, b := startWithAccounts(t)
		s.secondAdmin()
		b.whileWaiting = func() { s.root(200, "DELETE", "/v1/users/root2", "") }
		got := s.as("root2", "POST", r[0], r[1])
		if !strings.Contains(got.text, "UNAUTHENTICATED") && !strings.Contains(got.text, "UNAUTHORIZED") || len(b.open) != 0 || b.takeCalls() != "" {
			t.Errorf("%s: %d %s; created %v", r[0], got.code, got.text, b.open)
		}
	}
}
