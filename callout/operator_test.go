package callout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/permissions"
)

// Each identity connects to the account of its project. The signing key of that account
// signs the user JWT.
func TestOperatorMode(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed %t", sealed), func(t *testing.T) {
			o := callouttest.StartOperator(t, callouttest.OperatorConfig{Sealed: sealed})
			s := callouttest.StartService(t, callouttest.ServiceConfig{
				Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
			})
			for _, c := range []struct{ user, password, account string }{
				{"", "publisher-key", callouttest.AppAccount},
				{"project=far", "both-key", callouttest.OtherAccount},
				{"project=shop", "both-key", callouttest.AppAccount},
			} {
				opt := nats.Token(c.password)
				if c.user != "" {
					opt = nats.UserInfo(c.user, c.password)
				}
				nc, err := nats.Connect(o.URLs(), opt, nats.Timeout(testTimeout))
				if err != nil {
					t.Fatalf("%s %s: %v\n%s", c.user, c.password, err, s.Log)
				}
				id, err := nc.GetClientID()
				callouttest.Must(t, err)
				if account := o.Servers[0].AccountOf(t, id); account != o.Accounts[c.account] {
					t.Errorf("%s %s: in account %s, want %s", c.user, c.password, account, o.Accounts[c.account])
				}
				nc.Close()
			}
			if nc, err := nats.Connect(o.URLs(), nats.Token("unknown-key"), nats.Timeout(testTimeout)); err == nil {
				nc.Close()
				t.Error("connected with an unknown token")
			}
		})
	}
}

// A role that is bound to a scoped signing key gets the permissions of the template,
// with name and tags filled in.
func TestScopedSigningKey(t *testing.T) {
	template := jwt.UserPermissionLimits{}
	template.Pub.Allow.Add("{{tag(project)}}.{{name()}}.>")
	template.Sub.Allow.Add("_INBOX_{{name()}}.>")
	template.Limits = jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: -1, Data: -1, Payload: -1}}
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Scoped: map[string]jwt.UserPermissionLimits{"publisher": template}})
	s := callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Scoped: []permissions.ScopedRole{{Account: callouttest.AppAccount, Role: "publisher"}},
	})
	refused := make(chan error, 8)
	nc, err := nats.Connect(o.URLs(), nats.Token("publisher-key"), nats.Timeout(testTimeout), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log)
	}
	defer nc.Close()
	callouttest.Must(t, nc.Publish("shop.publisher.x", nil))
	callouttest.Must(t, nc.Flush())
	callouttest.Must(t, nc.Publish("shop.orders", nil))
	callouttest.Must(t, nc.Flush())
	select {
	case err := <-refused:
		t.Log(err)
	case <-time.After(4 * testTimeout):
		t.Error("published to shop.orders, which the template does not allow")
	}
	if len(refused) > 0 {
		t.Error(<-refused)
	}
	// Only some roles of this user are bound to the scope.
	if nc, err := nats.Connect(o.URLs(), nats.UserInfo("project=shop", "both-key"), nats.Timeout(testTimeout)); err == nil {
		nc.Close()
		t.Error("connected with roles of different signing keys")
	}
	s.WaitEvent(t, callout.CodeAmbiguousScope)
}
