package issuer_test

import (
	"errors"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/permissions"
)

// nats-server 2.15 expands templates as docs/reference/scoped-signing-keys.md describes. It inserts name
// and tags verbatim, once for each value of a tag. An allow rule whose tag is missing is
// dropped. A side that loses all its allow rules is closed; a side that had none is open.
func TestServerExpandsTemplates(t *testing.T) {
	allows, empty, denies := jwt.UserPermissionLimits{}, jwt.UserPermissionLimits{}, jwt.UserPermissionLimits{}
	allows.Pub.Allow.Add("{{tag(project)}}.{{name()}}.{{tag(role)}}", "x.{{tag(none)}}")
	allows.Sub.Allow.Add("{{tag(none)}}.>")
	denies.Pub.Deny.Add("x.{{tag(none)}}")
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Scoped: map[string]jwt.UserPermissionLimits{
		"publisher": allows, "consumer": empty, "project_admin": denies,
	}})
	var scoped []permissions.ScopedRole
	for _, role := range []string{"publisher", "consumer", "project_admin"} {
		scoped = append(scoped, permissions.ScopedRole{Account: callouttest.AppAccount, Role: role})
	}
	callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Scoped: scoped, Directory: callouttest.WithDigests(`
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
		refused := make(chan error, 8) // only to keep nats.go from printing; LastError has the error
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
		must(t, nc.Flush()) // a permissions violation arrives before the PONG
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
		t.Errorf("deny rule with a missing tag: got %v", err)
	}
}
