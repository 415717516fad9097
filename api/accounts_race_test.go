package api_test

import (
	"strings"
	"testing"
)

// deputy makes a second service_admin, and returns what takes that role from it.
func (s *service) deputy() (demote func()) {
	s.t.Helper()
	made := into[struct{ Token string }](s.t, s.root(200, "POST", "/v1/users/root2", `{"service_roles":["service_admin"]}`))
	s.keys["root2"] = made.Token
	return func() { s.root(200, "PUT", "/v1/users/root2", `{"service_roles":[]}`) }
}

// leave has an account that was made for a project which is not in the directory.
func (b *book) leave(project string) { b.open[project] = project }

// Attack: the account that a project has left is closed for who is service_admin no longer, or under a project that has come into it, while the request waits for its turn
// Held by: rights, the absence of the project and of any other in the account are looked at again when the account is marked as closing
func TestCloseLeftAccount(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(s *service)
		code      int
		text      string
	}{
		"demoted":           {nil, 404, ""},
		"another moved in":  {func(s *service) { s.root(200, "PUT", "/v1/projects/shop", `{"account":"bar"}`) }, 409, "Project shop has moved into the account"},
		"the project again": {func(s *service) { s.root(200, "POST", "/v1/projects/bar", "") }, 409, "Project bar has been created again"},
		"it, elsewhere":     {func(s *service) { s.root(200, "POST", "/v1/projects/bar", `{"account":"APP"}`) }, 409, "Project bar has been created again"},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := startWithAccounts(t)
			demote := s.deputy()
			b.leave("bar")
			b.turn = demote
			if c.meanwhile != nil {
				b.turn = func() { c.meanwhile(s) }
			}
			got := s.as("root2", "DELETE", "/v1/projects/bar?purge=true", "")
			if got.code != c.code || !strings.Contains(got.text, c.text) || b.open["bar"] != "bar" || b.closing["bar"] {
				t.Errorf("%d %s; left %v, closing %v", got.code, got.text, b.open, b.closing)
			}
		})
	}
	// After it has its turn, too.
	s, b := startWithAccounts(t)
	b.leave("bar")
	b.during = s.deputy()
	if got := s.as("root2", "DELETE", "/v1/projects/bar", ""); got.code != 404 || b.open["bar"] == "" {
		t.Errorf("demoted in its turn: %d %s", got.code, got.text)
	}
	b.during = nil
	s.root(200, "DELETE", "/v1/projects/bar", "")
	if len(b.open) != 0 {
		t.Errorf("left: %v", b.open)
	}
}

// Attack: a project is put into an account that is being closed, so that its clients are cut off and its streams purged
// Held by: no project comes into an account that is marked as closing, or was closed since it was made
func TestNobodyComesIntoClosingAccount(t *testing.T) {
	s, b := startWithAccounts(t)
	const text = "projects: [{name: n1, account: bar}]\n"
	b.leave("bar")
	b.during = func() {
		b.during = nil
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
			t.Errorf("%s is there", name)
		}
	}

	// Made, and closed by somebody else before the project is in the directory.
	shut := func() { b.open = map[string]string{} }
	mark := func() { b.closing["bar"] = true }
	for name, between := range map[string]func(){"closed": shut, "closing": mark} {
		b.during = between
		for _, r := range [][2]string{{"/v1/projects/bar", ""}, {"/v1/directory:import", "projects: [{name: bar}]\n"}} {
			if got := s.as("root", "POST", r[0], r[1]); !strings.Contains(got.text, "UNAVAILABLE") {
				t.Errorf("%s, %s: %d %s", name, r[0], got.code, got.text)
			}
			if _, ok := s.store.Snapshot().Project("bar"); ok {
				t.Fatalf("%s, %s: bar is in an account that is not", name, r[0])
			}
		}
	}
	b.during, b.closing = nil, map[string]bool{}
	s.root(200, "POST", "/v1/projects/bar", "")
}

// Attack: a removed service_admin's requests that wait for their turn still have accounts made and signed
// Held by: rights are looked at again when it is the request's turn, and before each JWT that is signed
func TestNoAccountForTheRemoved(t *testing.T) {
	for _, r := range [][2]string{{"/v1/projects/late", ""}, {"/v1/directory:import", "projects: [{name: late}]\n"}} {
		s, b := startWithAccounts(t)
		s.deputy()
		b.turn = func() { s.root(200, "DELETE", "/v1/users/root2", "") }
		got := s.as("root2", "POST", r[0], r[1])
		if !strings.Contains(got.text, "UNAUTHENTICATED") && !strings.Contains(got.text, "UNAUTHORIZED") || len(b.open) != 0 || b.asked() != "" {
			t.Errorf("%s: %d %s; made %v", r[0], got.code, got.text, b.open)
		}
	}
}
