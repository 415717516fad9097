package main

import (
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestInitProjects: usher init isolates projects, each in an account of its own.
//
// Attack: in config mode a member of one project reaches the subjects of another
// Held by: usher init --project gives each project an account of its own
func TestInitProjects(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--project", "shop", "--project", "lab")
	in.Write(t, setup.FileDirectory, callouttest.WithDigests(`
users:
  - {name: alice, keys: [{digest: KEY(alice-key)}]}
  - {name: bob, keys: [{digest: KEY(bob-key)}]}
projects:
  - {name: shop, account: shop, members: [{user: alice, roles: [project_admin]}]}
  - {name: lab, account: lab, members: [{user: bob, roles: [project_admin]}]}
`))
	in.NatsServer(t)
	in.serve(t)
	c := checkLive(t, in.Config())
	c.finds(t, cmdutil.ExitOK, "accounts", "ok", "on every server: usher-nats")
	for key, account := range map[string]string{"alice-key": "shop", "bob-key": "lab"} {
		nc, err := nats.Connect(in.URL, nats.Token(key), callouttest.ConnectTimeout())
		callouttest.Must(t, err)
		nc.Close()
		callouttest.Eventually(t, key+" is in "+account, func() bool {
			events, err := os.ReadFile(in.Path(setup.FileAudit))
			return err == nil && strings.Contains(string(events), `"account":"`+account+`"`)
		})
	}
}

// TestProjectAddConfigMode: the printed additions to the directory and to the servers
// work when pasted.
func TestProjectAddConfigMode(t *testing.T) {
	t.Parallel()
	in := initialized(t)
	code, stdout, stderr := usher(t, "project", "add", "-c", in.Config(), "shop")
	if code != cmdutil.ExitOK || !strings.Contains(stderr, "a reload closes every connection that usher authorized") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	project, account, ok := strings.Cut(stdout, "  \"shop\" {")
	if !ok {
		t.Fatal(stdout)
	}
	in.Write(t, setup.FileDirectory, "users: []\nprojects:\n"+project)
	srv := in.NatsServer(t)
	checkLive(t, in.Config()).finds(t, cmdutil.ExitConfig, "accounts", "error", "missing on usher-nats: clients that use it cannot connect there (project shop)")
	srv.Stop()
	in.Edit(t, setup.FileServerConfig, "accounts {\n", "accounts {\n  \"shop\" {"+account)
	in.NatsServer(t)
	checkLive(t, in.Config()).finds(t, cmdutil.ExitOK, "accounts", "ok", "on every server: usher-nats")

	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{cmdutil.ExitRuntime, "project shop exists already", []string{"shop"}},
		{cmdutil.ExitConfig, "habitat", []string{"habitat"}},
		{cmdutil.ExitConfig, "AUTH", []string{"AUTH"}},
		{cmdutil.ExitRuntime, "account SHOP is in use by project shop", []string{"SHOP"}},
		{cmdutil.ExitOK, "projects in one account are not isolated from each other", []string{"--account", "shop", "lab"}},
	} {
		if c.args[0] == "SHOP" {
			in.Edit(t, setup.FileDirectory, "account: shop", "account: SHOP")
		}
		code, stdout, stderr := usher(t, append([]string{"project", "add", "-c", in.Config()}, c.args...)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("%v: exit code %d, not %d with %q\n%s%s", c.args, code, c.code, c.says, stdout, stderr)
		}
	}
}
