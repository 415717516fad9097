package main

import (
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callouttest"
	"usher/setup"
)

// TestInitProjects: projects that usher init makes are apart, each in an account that
// the server has.
//
// Attack: in config mode a member of one project reaches the subjects of another
// Held by: usher init --project gives each project an account of its own
func TestInitProjects(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--project", "shop", "--project", "lab")
	in.write(t, setup.FileDirectory, callouttest.Directory(`
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
		nc, err := nats.Connect(in.url, nats.Token(key), callouttest.Patient())
		callouttest.Must(t, err)
		nc.Close()
		callouttest.Eventually(t, key+" is in "+account, func() bool {
			events, err := os.ReadFile(in.path(setup.FileAudit))
			return err == nil && strings.Contains(string(events), `"account":"`+account+`"`)
		})
	}
}
