package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/api/projects"

	"usher/api"
)

// book is what makes accounts, without servers: what these tests are about is what the
// API asks for, and when. The rest is in cmd/usher and in package accounts.
type book struct {
	open    map[string]string // project by account that was made for it
	closing map[string]bool
	calls   []string
	turn    func() // called once, before it is the turn of who makes or closes an account
	during  func() // called while an account is made or closed
	fails   error
}

func (b *book) Create(_ context.Context, projects []string, may func() error, progress func(done, total int)) error {
	b.wait()
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
	b.now()
	return nil
}

func (b *book) wait() {
	if turn := b.turn; turn != nil {
		b.turn = nil
		turn()
	}
}

func (b *book) now() {
	if b.during != nil {
		b.during()
	}
}

func (b *book) Created() (map[string]projects.Account, error) {
	made := map[string]projects.Account{}
	for account := range b.open {
		made[account] = projects.Account{Closing: b.closing[account]}
	}
	return made, nil
}

func (b *book) LeftBy(project string) (string, error) {
	for account, p := range b.open {
		if p == project {
			return account, nil
		}
	}
	return "", nil
}

func (b *book) Close(ctx context.Context, account, project string, purge bool, may func() error, remove func(context.Context) error) error {
	b.wait()
	if err := may(); err != nil {
		return fmt.Errorf("not allowed: %w", err)
	}
	b.calls = append(b.calls, fmt.Sprintf("close %s of %s, purge %t", account, project, purge))
	b.open[account] = project
	b.closing[account] = true
	b.now()
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

// asked returns what was asked for since the last time.
func (b *book) asked() string {
	defer func() { b.calls = nil }()
	return strings.Join(b.calls, "; ")
}

func startWithAccounts(t *testing.T) (*service, *book) {
	t.Helper()
	b := &book{open: map[string]string{}, closing: map[string]bool{}}
	return start(t, nil, func(c *api.Config) { c.Accounts, c.AccountRequired = b, true }), b
}

// A project that states no account gets one of its own; and nobody gets that of another.
func TestProjectAccounts(t *testing.T) {
	s, b := startWithAccounts(t)
	got := s.root(200, "POST", "/v1/projects/bar", "")
	if !strings.Contains(got.text, `"account":"bar"`) || b.asked() != "open bar" {
		t.Error(got.text)
	}
	for what, c := range map[string]struct {
		code              int
		path, body, wants string
	}{
		"a name that is taken": {409, "shop", "", "already exists"},
		"a bad name":           {400, "habitat", "", ""},
		"shared":               {200, "pub", `{"account":"APP"}`, `"account":"APP"`},
	} {
		got := s.as("root", "POST", "/v1/projects/"+c.path, c.body)
		if asked := b.asked(); got.code != c.code || !strings.Contains(got.text, c.wants) || asked != "" {
			t.Errorf("%s: %d %s, asked for %q", what, got.code, got.text, asked)
		}
	}
	if got := s.as("admin", "POST", "/v1/projects/mine", ""); got.code != 403 || b.asked() != "" {
		t.Errorf("a project_admin: %d", got.code)
	}

	// The account keeps its name when the project gets another; who takes that name
	// does not get it.
	s.root(200, "PUT", "/v1/projects/bar", `{"name":"tavern"}`)
	if got := s.as("root", "POST", "/v1/projects/bar", ""); got.code != 409 || !strings.Contains(got.text, "project tavern uses it") || b.asked() != "" {
		t.Errorf("%d %s", got.code, got.text)
	}
	b.during = func() { s.root(200, "PUT", "/v1/projects/tavern", `{"account":"inn"}`) } // between the look and the change
	if got := s.as("root", "POST", "/v1/projects/inn", ""); got.code != 409 || !strings.Contains(got.text, "project tavern uses it") {
		t.Errorf("%d %s", got.code, got.text)
	}
	b.during = nil
	b.asked()

	// Somebody else's account, and one that cannot be created now.
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

// Who has lost its rights meanwhile makes nothing.
//
// Attack: a service_admin that is removed while its account is being made, or its project removed, gets it done all the same
// Held by: rights are looked at again in the snapshot that the change is made on
func TestProjectAccountsRights(t *testing.T) {
	s, b := startWithAccounts(t)
	s.root(200, "POST", "/v1/projects/bar", "")
	key := s.keys["root"]
	second := into[map[string]any](t, s.root(200, "POST", "/v1/users/second", `{"service_roles":["service_admin"]}`))
	other, _ := second["token"].(string)
	demote := func() {
		if got := s.as(key, "PUT", "/v1/users/second", `{"service_roles":[]}`); got.code != 200 {
			t.Errorf("%d %s", got.code, got.text)
		}
	}
	promote := func() { s.root(200, "PUT", "/v1/users/second", `{"service_roles":["service_admin"]}`) }
	b.during = demote
	if got := s.as(other, "POST", "/v1/projects/late", ""); got.code != 403 {
		t.Errorf("made by who is not allowed to any more: %d %s", got.code, got.text)
	}
	s.root(404, "GET", "/v1/projects/late", "")
	b.during = nil
	promote()
	b.during = demote
	if got := s.as(other, "DELETE", "/v1/projects/bar", ""); got.code != 403 && got.code != 404 {
		t.Errorf("removed by who is not allowed to any more: %d %s", got.code, got.text)
	}
	b.during = nil
	s.root(200, "GET", "/v1/projects/bar", "")
}

// An account is closed with the last project in it.
func TestProjectAccountsClose(t *testing.T) {
	s, b := startWithAccounts(t)
	for _, name := range []string{"a", "moved"} {
		s.root(200, "POST", "/v1/projects/"+name, "")
	}
	s.root(200, "POST", "/v1/projects/guest", `{"account":"a"}`)
	b.asked()
	s.root(409, "DELETE", "/v1/projects/guest?purge=true", "")
	s.root(400, "DELETE", "/v1/projects/guest?purge=yes", "")
	s.root(409, "DELETE", "/v1/projects/shop?purge=true", "") // in APP
	s.root(409, "DELETE", "/v1/projects/a", "", "If-Match", `"1"`)
	s.root(200, "DELETE", "/v1/projects/guest", "")
	if asked := b.asked(); asked != "" {
		t.Errorf("asked for %s", asked)
	}
	// Who comes into the account while it is about to be closed keeps it open.
	b.turn = func() { s.root(200, "PUT", "/v1/projects/lab", `{"account":"a"}`) }
	if got := s.root(409, "DELETE", "/v1/projects/a", ""); !strings.Contains(got.text, "Project lab has moved into the account") {
		t.Error(got.text)
	}
	s.root(200, "PUT", "/v1/projects/lab", `{"account":"APP"}`)
	// What the directory refuses is answered as it is.
	s.root(409, "DELETE", "/v1/projects/a", "", "If-Match", `"1"`)
	s.root(200, "GET", "/v1/projects/a", "")
	b.fails = errors.New("a server is away")
	b.asked()
	s.root(503, "DELETE", "/v1/projects/a", "")
	s.root(404, "GET", "/v1/projects/a", "")
	if got := s.as("admin", "DELETE", "/v1/projects/a", ""); got.code != 404 {
		t.Errorf("somebody else goes on with it: %d", got.code)
	}
	b.fails = nil
	s.root(200, "DELETE", "/v1/projects/a?purge=true", "")
	s.root(404, "DELETE", "/v1/projects/a", "")
	if asked := b.asked(); asked != "close a of a, purge false; close a of a, purge true" {
		t.Errorf("asked for %s", asked)
	}
	// A project that was moved out of its account leaves nothing behind either.
	s.root(200, "PUT", "/v1/projects/moved", `{"account":"APP"}`)
	s.root(200, "DELETE", "/v1/projects/moved", "")
	if asked := b.asked(); asked != "close moved of moved, purge false" || len(b.open) != 0 {
		t.Errorf("asked for %s", asked)
	}
}

// An import gives its projects accounts, and keeps those that are there.
func TestImportAccounts(t *testing.T) {
	s, b := startWithAccounts(t)
	const text = "projects: [{name: n1}, {name: n2}, {name: n3, account: APP}, {name: shop}]\n"
	lines := s.importLines("?dryRun=true", text)
	if diff := diffOf(lines); b.asked() != "" || !strings.Contains(diff, "+ project n1") || strings.Contains(diff, "project shop") {
		t.Error(diff)
	}
	var progress []int
	for _, l := range s.importLines("", text) {
		if l.Accounts {
			progress = append(progress, l.Done)
		}
	}
	if asked := b.asked(); asked != "open n1 n2" || !slices.Equal(progress, []int{1, 2}) {
		t.Errorf("asked for %s, progress %v", asked, progress)
	}
	for project, account := range map[string]string{"n1": "n1", "n2": "n2", "n3": "APP", "shop": "APP"} {
		if p, _ := s.store.Snapshot().Project(project); p == nil || p.Account != account {
			t.Errorf("%s: %+v", project, p)
		}
	}
	s.root(200, "PUT", "/v1/projects/n1", `{"name":"other"}`)
	if got := s.root(400, "POST", "/v1/directory:import", text); !strings.Contains(got.text, "which another project uses") || b.asked() != "" {
		t.Error(got.text)
	}
}

// Where no accounts are made, a project of operator mode has to say which one.
func TestAccountStated(t *testing.T) {
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
