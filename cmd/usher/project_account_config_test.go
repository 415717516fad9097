package main

import (
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// TestInitProjects: projects that usher init makes are apart, each in an account that
// the server has.
//
// Attack: in config mode a member of one project reaches the subjects of another
// Held by: usher init --project gives each project an account of its own
func TestInitProjects(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--project", "shop", "--project", "lab")
	in.write(t, setup.FileDirectory, callouttest.WithDigests(`
users:
  - {name: alice, keys: [{digest: KEY(alice-key)}]}
  - {name: bob, keys: [{digest: KEY(bob-key)}]}
projects:
  - {name: shop, account: shop, members: [{user: alice, roles: [project_admin]}]}
  - {name: lab, account: lab, members: [{user: bob, roles: [project_admin]}]}
`))
	in.natsServer(t)
	in.serve(t)
	c := checkLive(t, in.config())
	c.says(t, exitOK, "accounts", "ok", "on every server: usher-nats")
	for key, account := range map[string]string{"alice-key": "shop", "bob-key": "lab"} {
		nc, err := nats.Connect(in.url, nats.Token(key), callouttest.ConnectTimeout())
		callouttest.Must(t, err)
		nc.Close()
		callouttest.Eventually(t, key+" is in "+account, func() bool {
			events, err := os.ReadFile(in.path(setup.FileAudit))
			return err == nil && strings.Contains(string(events), `"account":"`+account+`"`)
		})
	}
}

// TestProjectAddConfigMode: what a project needs is printed, for the directory and for
// every server, and works when it is pasted.
func TestProjectAddConfigMode(t *testing.T) {
	t.Parallel()
	in := initialized(t)
	code, stdout, stderr := usher(t, "project", "add", "-c", in.config(), "shop")
	if code != exitOK || !strings.Contains(stderr, "a reload ends every connection that usher let in") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	project, account, ok := strings.Cut(stdout, "  \"shop\" {")
	if !ok {
		t.Fatal(stdout)
	}
	in.write(t, setup.FileDirectory, "users: []\nprojects:\n"+project)
	srv := in.natsServer(t)
	checkLive(t, in.config()).says(t, exitConfig, "accounts", "error", "usher-nats has no such account: clients that land in it are refused there (project shop)")
	srv.Stop()
	in.edit(t, setup.FileServerConfig, "accounts {\n", "accounts {\n  \"shop\" {"+account)
	in.natsServer(t)
	checkLive(t, in.config()).says(t, exitOK, "accounts", "ok", "on every server: usher-nats")

	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{exitRuntime, "project shop is there already", []string{"shop"}},
		{exitConfig, "habitat", []string{"habitat"}},
		{exitConfig, "AUTH", []string{"AUTH"}},
		{exitRuntime, "project shop is in account shop, so that this one cannot have it for itself", []string{"SHOP"}},
		{exitOK, "projects in one account are not walled off from each other", []string{"--account", "shop", "lab"}},
	} {
		if c.args[0] == "SHOP" {
			in.edit(t, setup.FileDirectory, "account: shop", "account: SHOP")
			c.says = "project shop is in account SHOP"
		}
		code, stdout, stderr := usher(t, append([]string{"project", "add", "-c", in.config()}, c.args...)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("%v: exit code %d, not %d with %q\n%s%s", c.args, code, c.code, c.says, stdout, stderr)
		}
	}
}
