package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/api"
	"usher/api/projects"
)

// fakeAccounts implements projects.Accounts without servers. These tests cover which calls
// the API makes, and when. Tests in cmd/usher and package accounts cover the accounts.
type fakeAccounts struct {
	open         map[string]string // project by account that was created for it
	closing      map[string]bool
	calls        []string
	whileWaiting func() // called once, before Create or Close begins
	whileRunning func() // called while Create or Close runs
	fails        error
}

func (b *fakeAccounts) Create(_ context.Context, projects []string, may func() error, progress func(done, total int)) error {
	b.runWaiting()
	if err := may(); err != nil {
		return fmt.Errorf("not allowed: %w", err)
	}
	b.calls = append(b.calls, "open "+strings.Join(projects, " "))
	if b.fails != nil {
		return b.fails
	}
	for i, p := range projects {
		b.open[p] = p
		progress(i+1, len(projects))
	}
	b.runRunning()
	return nil
}

func (b *fakeAccounts) runWaiting() {
	if f := b.whileWaiting; f != nil {
		b.whileWaiting = nil
		f()
	}
}

func (b *fakeAccounts) runRunning() {
	if b.whileRunning != nil {
		b.whileRunning()
	}
}

func (b *fakeAccounts) Created() (map[string]projects.Account, error) {
	made := map[string]projects.Account{}
	for account := range b.open {
		made[account] = projects.Account{Closing: b.closing[account]}
	}
	return made, nil
}

func (b *fakeAccounts) LeftBy(project string) (string, error) {
	for account, p := range b.open {
		if p == project {
			return account, nil
		}
	}
	return "", nil
}

func (b *fakeAccounts) Close(ctx context.Context, account, project string, purge bool, may func() error, remove func(context.Context) error) error {
	b.runWaiting()
	if err := may(); err != nil {
		return fmt.Errorf("not allowed: %w", err)
	}
	b.calls = append(b.calls, fmt.Sprintf("close %s of %s, purge %t", account, project, purge))
	b.open[account] = project
	b.closing[account] = true
	b.runRunning()
	if err := remove(ctx); err != nil {
		delete(b.closing, account)
		return fmt.Errorf("remove: %w", err)
	}
	if b.fails != nil {
		return b.fails
	}
	delete(b.open, account)
	delete(b.closing, account)
	return nil
}

// takeCalls returns the calls since it was last called.
func (b *fakeAccounts) takeCalls() string {
	defer func() { b.calls = nil }()
	return strings.Join(b.calls, "; ")
}

func startWithAccounts(t *testing.T) (*service, *fakeAccounts) {
	t.Helper()
	b := &fakeAccounts{open: map[string]string{}, closing: map[string]bool{}}
	return start(t, nil, func(c *api.Config) { c.Accounts, c.AccountRequired = b, true }), b
}

// A project that sets no account gets one of its own, and never the account of another project.
func TestProjectAccounts(t *testing.T) {
	s, b := startWithAccounts(t)
	got := s.root(200, "POST", "/v1/projects/bar", "")
	if !strings.Contains(got.text, `"account":"bar"`) || b.takeCalls() != "open bar" {
		t.Error(got.text)
	}
	for what, c := range map[string]struct {
		code              int
		path, body, wants string
	}{
		"a name that is taken": {409, "shop", "", "already exists"},
		"an invalid name":      {400, "habitat", "", ""},
		"shared":               {200, "pub", `{"account":"APP"}`, `"account":"APP"`},
	} {
		got := s.as("root", "POST", "/v1/projects/"+c.path, c.body)
		if calls := b.takeCalls(); got.code != c.code || !strings.Contains(got.text, c.wants) || calls != "" {
			t.Errorf("%s: %d %s, calls %q", what, got.code, got.text, calls)
		}
	}
	if got := s.as("admin", "POST", "/v1/projects/mine", ""); got.code != 403 || b.takeCalls() != "" {
		t.Errorf("a project_admin: %d", got.code)
	}

	// Renaming a project does not rename its account. A new project with the old name does
	// not get that account.
	s.root(200, "PUT", "/v1/projects/bar", `{"name":"tavern"}`)
	if got := s.as("root", "POST", "/v1/projects/bar", ""); got.code != 409 || !strings.Contains(got.text, "project tavern uses it") || b.takeCalls() != "" {
		t.Errorf("%d %s", got.code, got.text)
	}
	b.whileRunning = func() { s.root(200, "PUT", "/v1/projects/tavern", `{"account":"inn"}`) } // between the check and the change
	if got := s.as("root", "POST", "/v1/projects/inn", ""); got.code != 409 || !strings.Contains(got.text, "project tavern uses it") {
		t.Errorf("%d %s", got.code, got.text)
	}
	b.whileRunning = nil
	b.takeCalls()

	// The account exists already, or cannot be created now.
	b.fails = fmt.Errorf("taken: %w", projects.ErrAccountTaken)
	if e := s.root(409, "POST", "/v1/projects/x", ""); !strings.Contains(e.text, "was not created for this project") {
		t.Error(e.text)
	}
	b.fails = errors.New("secret cause")
	got = s.root(503, "POST", "/v1/projects/x", "")
	if e := got.error(t); !strings.Contains(e.Message, "cannot be created now") || strings.Contains(got.text, "secret cause") || !strings.Contains(s.logged(), "secret cause") {
		t.Error(got.text)
	}
	s.root(404, "GET", "/v1/projects/x", "")
	b.fails = nil
	s.root(200, "POST", "/v1/projects/x", "")
}

// Attack: a service_admin is demoted while its request creates an account or removes a project; the request succeeds nevertheless
// Held by: rights are checked again in the snapshot that the change is made on
func TestProjectAccountsRights(t *testing.T) {
	s, b := startWithAccounts(t)
	s.root(200, "POST", "/v1/projects/bar", "")
	key := s.keys["root"]
	second := decode[map[string]any](t, s.root(200, "POST", "/v1/users/second", `{"service_roles":["service_admin"]}`))
	other, _ := second["token"].(string)
	demote := func() {
		if got := s.as(key, "PUT", "/v1/users/second", `{"service_roles":[]}`); got.code != 200 {
			t.Errorf("%d %s", got.code, got.text)
		}
	}
	promote := func() { s.root(200, "PUT", "/v1/users/second", `{"service_roles":["service_admin"]}`) }
	b.whileRunning = demote
	if got := s.as(other, "POST", "/v1/projects/late", ""); got.code != 403 {
		t.Errorf("created by a demoted user: %d %s", got.code, got.text)
	}
	s.root(404, "GET", "/v1/projects/late", "")
	b.whileRunning = nil
	promote()
	b.whileRunning = demote
	if got := s.as(other, "DELETE", "/v1/projects/bar", ""); got.code != 403 && got.code != 404 {
		t.Errorf("removed by a demoted user: %d %s", got.code, got.text)
	}
	b.whileRunning = nil
	s.root(200, "GET", "/v1/projects/bar", "")
}

// The account is closed when its last project is removed.
func TestProjectAccountsClose(t *testing.T) {
	s, b := startWithAccounts(t)
	for _, name := range []string{"a", "moved"} {
		s.root(200, "POST", "/v1/projects/"+name, "")
	}
	s.root(200, "POST", "/v1/projects/guest", `{"account":"a"}`)
	b.takeCalls()
	s.root(409, "DELETE", "/v1/projects/guest?purge=true", "")
	s.root(400, "DELETE", "/v1/projects/guest?purge=yes", "")
	s.root(409, "DELETE", "/v1/projects/shop?purge=true", "") // in APP
	s.root(409, "DELETE", "/v1/projects/a", "", "If-Match", `"1"`)
	s.root(200, "DELETE", "/v1/projects/guest", "")
	if calls := b.takeCalls(); calls != "" {
		t.Errorf("calls %s", calls)
	}
	// A project that moves into the account before it is closed keeps it open.
	b.whileWaiting = func() { s.root(200, "PUT", "/v1/projects/lab", `{"account":"a"}`) }
	if got := s.root(409, "DELETE", "/v1/projects/a", ""); !strings.Contains(got.text, "Project lab has moved into the account") {
		t.Error(got.text)
	}
	s.root(200, "PUT", "/v1/projects/lab", `{"account":"APP"}`)
	// The error of the directory is passed on.
	s.root(409, "DELETE", "/v1/projects/a", "", "If-Match", `"1"`)
	s.root(200, "GET", "/v1/projects/a", "")
	b.fails = errors.New("a server is unreachable")
	b.takeCalls()
	s.root(503, "DELETE", "/v1/projects/a", "")
	s.root(404, "GET", "/v1/projects/a", "")
	if got := s.as("admin", "DELETE", "/v1/projects/a", ""); got.code != 404 {
		t.Errorf("another user continues the removal: %d", got.code)
	}
	b.fails = nil
	s.root(200, "DELETE", "/v1/projects/a?purge=true", "")
	s.root(404, "DELETE", "/v1/projects/a", "")
	if calls := b.takeCalls(); calls != "close a of a, purge false; close a of a, purge true" {
		t.Errorf("calls %s", calls)
	}
	// Removing a project that has moved elsewhere closes its old account.
	s.root(200, "PUT", "/v1/projects/moved", `{"account":"APP"}`)
	s.root(200, "DELETE", "/v1/projects/moved", "")
	if calls := b.takeCalls(); calls != "close moved of moved, purge false" || len(b.open) != 0 {
		t.Errorf("calls %s", calls)
	}
}

// An import creates accounts for new projects, and keeps those of existing projects.
func TestImportAccounts(t *testing.T) {
	s, b := startWithAccounts(t)
	const text = "projects: [{name: n1}, {name: n2}, {name: n3, account: APP}, {name: shop}]\n"
	lines := s.importLines("?dryRun=true", text)
	if diff := diffOf(lines); b.takeCalls() != "" || !strings.Contains(diff, "+ project n1") || strings.Contains(diff, "project shop") {
		t.Error(diff)
	}
	var progress []int
	for _, l := range s.importLines("", text) {
		if l.Accounts {
			progress = append(progress, l.Done)
		}
	}
	if calls := b.takeCalls(); calls != "open n1 n2" || !slices.Equal(progress, []int{1, 2}) {
		t.Errorf("calls %s, progress %v", calls, progress)
	}
	for project, account := range map[string]string{"n1": "n1", "n2": "n2", "n3": "APP", "shop": "APP"} {
		if p, _ := s.store.Snapshot().Project(project); p == nil || p.Account != account {
			t.Errorf("%s: %+v", project, p)
		}
	}
	s.root(200, "PUT", "/v1/projects/n1", `{"name":"other"}`)
	if got := s.root(400, "POST", "/v1/directory:import", text); !strings.Contains(got.text, "which another project uses") || b.takeCalls() != "" {
		t.Error(got.text)
	}
}

// If the service creates no accounts, a project in operator mode must set one.
func TestAccountRequired(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.AccountRequired = true })
	for path, body := range map[string]string{"/v1/projects/x": "", "/v1/directory:import": "projects: [{name: x}]\n"} {
		if got := s.root(400, "POST", path, body); !strings.Contains(got.text, "usher ") || !strings.Contains(got.text, "operator.create_accounts") {
			t.Error(got.text)
		}
	}
	s.root(200, "POST", "/v1/projects/x", `{"account":"APP"}`)
	s.root(400, "DELETE", "/v1/projects/x?purge=true", "")
	s.importLines("?account=APP", "projects: [{name: y}]\n")
	if p, ok := s.store.Snapshot().Project("y"); !ok || p.Account != "APP" {
		t.Errorf("%+v", p)
	}
}
