package permissions_test

import (
	"errors"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// usher itself gets all of one account, but never the callout or the system account.
func TestService(t *testing.T) {
	p := newPolicy()
	own := func(account string) identity.Identity {
		return identity.Identity{Name: "usher-service", Method: identity.MethodService, Selection: identity.Selection{Account: account}}
	}
	g, err := p.Derive(own("APP"), directory.Facts{})
	if err != nil || g.Account != "APP" || g.WholeAccount {
		t.Fatalf("got %+v, %v", g, err)
	}
	for _, subject := range []string{"shop.orders", "$JS.API.STREAM.CREATE.shop", "_INBOX_usher-service.x"} {
		if !g.Check(permissions.Publish, subject).Allowed || !g.Check(permissions.Subscribe, subject).Allowed {
			t.Errorf("%s is not allowed", subject)
		}
	}
	if g.Check(permissions.Publish, "$SYS.REQ.USER.AUTH").Allowed || g.Check(permissions.Subscribe, "$SYS.REQ.USER.AUTH").Allowed {
		t.Error("it reaches authorization requests")
	}
	for _, account := range []string{"", p.CalloutAccount, p.SystemAccount} {
		if _, err := p.Derive(own(account), directory.Facts{}); !errors.Is(err, permissions.ErrNotInAccount) {
			t.Errorf("account %q: %v", account, err)
		}
	}
	if err := p.Connect(&g, "usher-service", identity.Connection{Types: []string{"LEAFNODE"}}); !errors.Is(err, permissions.ErrLeafNode) {
		t.Errorf("as a leaf node: %v", err)
	}
}

// push_worker and admin_viewer give nothing on NATS, alone or with an account.
func TestRolesOfTheAPI(t *testing.T) {
	roles := []directory.ServiceRole{directory.ServiceRolePushWorker, directory.ServiceRoleViewer}
	r := directory.Records{Users: []directory.User{user("W", roles...)}}
	s := snapshotOf(t, r)
	for _, sel := range []identity.Selection{{}, {Account: "APP"}, {Project: "shop"}} {
		if g, err := derive(t, newPolicy(), s, "W", sel); err == nil {
			t.Errorf("%+v: got %+v", sel, g)
		}
	}
	if _, err := derive(t, newPolicy(), s, "W", identity.Selection{}); !errors.Is(err, permissions.ErrNoRole) {
		t.Errorf("got %v", err)
	}
	for _, p := range newPolicy().CheckDirectory(s) {
		t.Errorf("a problem: %+v", p)
	}
	for _, role := range roles {
		if permissions.OnNATS(role) || newPolicy().AccountOf(role) != "" {
			t.Errorf("%s is on NATS", role)
		}
	}
}
