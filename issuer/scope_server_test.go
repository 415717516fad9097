package issuer_test

import (
	"errors"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/permissions"
)

// What docs/permissions.md says of templates: nats-server 2.15 fills in name and
// tags as they are written, once for each project; what has no tag falls away, and
// a side that loses all its allowances is closed, one that never had any is open.
func TestServerFillsTemplates(t *testing.T) {
	filled, bare, broken := jwt.UserPermissionLimits{}, jwt.UserPermissionLimits{}, jwt.UserPermissionLimits{}
	filled.Pub.Allow.Add("{{tag(project)}}.{{name()}}.{{tag(role)}}", "x.{{tag(none)}}")
	filled.Sub.Allow.Add("{{tag(none)}}.>")
	broken.Pub.Deny.Add("x.{{tag(none)}}")
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Scoped: map[string]jwt.UserPermissionLimits{
		"publisher": filled, "consumer": bare, "project_admin": broken,
	}})
	var scoped []permissions.ScopedRole
	for _, role := range []string{"publisher", "consumer", "project_admin"} {
		scoped = append(scoped, permissions.ScopedRole{Account: callouttest.AppAccount, Role: role})
	}
	callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Scoped: scoped, Directory: callouttest.Directory(`
users:
  - {name: Pia, keys: [{digest: KEY(Pia-key)}]}
  - {name: carl, keys: [{digest: KEY(carl-key)}]}
  - {name: ann, keys: [{digest: KEY(ann-key)}]}
projects:
  - name: Shop
    account: APP
    members: [{user: Pia, roles: [publisher]}, {user: carl, roles: [consumer]}, {user: ann, roles: [project_admin]}]
  - {name: lab, account: APP, members: [{user: Pia, roles: [publisher]}]}
`)})
	may := func(user, token, side, subject string) bool {
		t.Helper()
		refused := make(chan error, 8) // kept out of the way: LastError has it
		opts := []nats.Option{nats.Token(token), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })}
		if user != "" {
			opts[0] = nats.UserInfo(user, token)
		}
		nc, err := nats.Connect(o.URLs(), opts...)
		must(t, err)
		defer nc.Close()
		if side == "publish" {
			must(t, nc.Publish(subject, nil))
		} else {
			_, err := nc.SubscribeSync(subject)
			must(t, err)
		}
		must(t, nc.Flush()) // a refusal comes before the answer to it
		return nc.LastError() == nil
	}
	for _, tt := range []struct {
		user, token, side, subject string
		want                       bool
	}{
		{"", "Pia-key", "publish", "Shop.Pia.publisher", true},
		{"", "Pia-key", "publish", "lab.Pia.publisher", true},
		{"", "Pia-key", "publish", "shop.Pia.publisher", false},
		{"", "Pia-key", "publish", "Shop.pia.publisher", false},
		{"", "Pia-key", "publish", "x.y", false},
		{"project=Shop", "Pia-key", "publish", "Shop.Pia.publisher", true},
		{"project=Shop", "Pia-key", "publish", "lab.Pia.publisher", false},
		{"", "Pia-key", "subscribe", "lab.x", false},
		{"", "carl-key", "publish", "lab.x", true},
		{"", "carl-key", "subscribe", ">", true},
	} {
		if got := may(tt.user, tt.token, tt.side, tt.subject); got != tt.want {
			t.Errorf("%s %s may %s %s: %t", tt.user, tt.token, tt.side, tt.subject, got)
		}
	}
	nc, err := nats.Connect(o.URLs(), nats.Token("ann-key"))
	if err == nil {
		nc.Close()
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a denial without its tag: got %v", err)
	}
}
