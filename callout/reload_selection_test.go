package callout_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

const severalProjects = `
users:
  - {name: multi, keys: [{digest: KEY(multi-key)}]}
  - {name: split, keys: [{digest: KEY(split-key)}]}
  - {name: root, keys: [{digest: KEY(root-key)}], service_roles: [service_admin]}
projects:
  - name: shop
    account: APP
    members: [{user: multi, roles: [publisher]}, {user: split, roles: [publisher]}]
    topics: [{name: orders, acl: [multi, split]}]
  - name: lab
    account: APP
    members: [{user: multi, roles: [project_admin]}]
    topics: [{name: results, acl: []}]
  - {name: far, account: OTHER, members: [{user: split, roles: [publisher]}], topics: [{name: orders, acl: [split]}]}
`

// A reload of nats-server 2.15 in operator mode requests authorization for every
// connection again. The selection in the user name is kept.
//
// Attack: after a reload of nats-server, a connection that selected a project gets all roles of its user, or another account
// Held by: the name of the user JWT contains the selection, which applies again
func TestReloadKeepsTheSelection(t *testing.T) {
	t.Parallel()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
	service := callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(severalProjects)})
	s := o.Servers[0]
	refused := make(chan error, 16)
	dial := func(user, key string) *nats.Conn {
		nc, err := nats.Connect(s.URL(), nats.UserInfo(user, key), nats.NoReconnect(), nats.Timeout(testTimeout),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		callouttest.Must(t, err)
		t.Cleanup(nc.Close)
		return nc
	}
	accountOf := func(nc *nats.Conn) string {
		id, err := nc.GetClientID()
		callouttest.Must(t, err)
		return s.AccountOf(t, id)
	}
	expectViolation := func(nc *nats.Conn) {
		t.Helper()
		callouttest.Must(t, nc.Publish("lab.results", []byte("x")))
		callouttest.Must(t, nc.Flush())
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("got %v", err)
			}
		case <-t.Context().Done():
		}
	}
	inShop, split, byAccount, admin := dial("project=shop", "multi-key"), dial("project=shop", "split-key"), dial("account=OTHER", "split-key"), dial("project=far", "root-key")
	all := []*nats.Conn{inShop, split, byAccount, admin}
	var before []string
	for _, nc := range all {
		before = append(before, accountOf(nc))
	}
	expectViolation(inShop)
	for n := range 2 { // the second reload uses the user JWTs of the first
		s.Reload(t)
		callouttest.Eventually(t, "the server has requested authorization for all connections", func() bool { return len(service.Events(t)) >= (n+2)*len(all) })
		for i, nc := range all {
			if nc.IsClosed() || nc.Flush() != nil {
				t.Fatalf("connection %d is closed by a reload: %v", i, nc.LastError())
			}
			if now := accountOf(nc); now != before[i] {
				t.Errorf("connection %d: account %s before the reload, %s after", i, before[i], now)
			}
		}
		expectViolation(inShop)
	}
	denied := slices.DeleteFunc(service.Events(t), func(e callouttest.Event) bool { return e.Text("outcome") == "granted" })
	if len(denied) > 0 {
		t.Errorf("denied: %v", denied)
	}
}
