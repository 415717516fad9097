package callout_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory/file"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
)

// newScoped starts an operator in which the role publisher of APP is bound to a scoped
// signing key. Its template allows users to publish below one prefix.
func newScoped(t *testing.T, verifiers ...tokens.Verifier) *operatorEnv {
	t.Helper()
	template := jwt.UserPermissionLimits{Limits: jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: -1, Data: -1, Payload: -1}}}
	template.Pub.Allow.Add("{{tag(project)}}.{{name()}}.>")
	template.Sub.Allow.Add("_INBOX_{{name()}}.>")
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Scoped: map[string]jwt.UserPermissionLimits{"publisher": template}})
	d := &operatorEnv{Operator: o, t: t, service: callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Verifiers: verifiers,
		Scoped: []permissions.ScopedRole{{Account: callouttest.AppAccount, Role: "publisher"}},
	})}
	d.listen()
	return d
}

// A change of the template applies to connected clients: nats-server 2.15.2 closes the
// connections of a changed scope (server/accounts.go, alteredScope), and the clients
// reconnect with the new permissions. Another change of the account does not disconnect
// them.
func TestTemplateEditApplies(t *testing.T) {
	d := newScoped(t)
	nc, lost := d.connectPersistent()
	for subject, may := range map[string]bool{"shop.publisher.x": true, "shop.drafts.x": false} {
		if tryOperation(t, nc, publish, subject) != may {
			t.Errorf("before: may publish %s: %t", subject, !may)
		}
	}
	callouttest.Eventually(t, "the permission violation arrives", func() bool { return len(lost) > 0 })
	if err := <-lost; !errors.Is(err, nats.ErrPermissionViolation) {
		t.Error(err)
	}
	d.updateAccount(callouttest.AppAccount, func(c *jwt.AccountClaims) { c.Tags.Add("edited") })
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
	if len(lost) > 0 {
		t.Errorf("a change outside of the scope closed the connection: %v", <-lost)
	}

	d.updateAccount(callouttest.AppAccount, func(c *jwt.AccountClaims) {
		scope, ok := c.SigningKeys.GetScope(d.Signing[callouttest.AppAccount+"/publisher"].Issuer)
		user, isUser := scope.(*jwt.UserScope)
		if !ok || !isUser {
			t.Fatalf("the account has no such scope: %v", scope)
		}
		user.Template.Pub.Allow = jwt.StringList{"{{tag(project)}}.drafts.>"}
		c.SigningKeys.AddScopedSigner(user)
	})
	d.expectReconnect(nc, lost)
	for subject, may := range map[string]bool{"shop.publisher.x": false, "shop.drafts.x": true} {
		if tryOperation(t, nc, publish, subject) != may {
			t.Errorf("after: may publish %s: %t", subject, !may)
		}
	}
}

// dotted is a verifier whose key ids are not single subject tokens, as authorities other
// than the directory may have them.
type dotted struct{}

func (dotted) Name() string { return "dotted" }

func (dotted) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	id, ok := strings.CutPrefix(c.Token(), "dotted ")
	if !ok {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	return identity.Identity{Name: "publisher", Authority: identity.AuthorityDirectory, Method: "dotted", KeyID: id}, nil
}

// A request whose name or tags do not fit into a template is denied with a specific
// code. The directory itself refuses a key id that is not a single token.
//
// Attack: a name or tag becomes a wildcard or several tokens in the template of a scoped signing key
// Held by: usher denies the request unless user name and tags are single tokens
func TestTemplateValues(t *testing.T) {
	records, _, err := file.Parse("directory.yaml", []byte(callouttest.WithDigests(strings.Replace(callouttest.DirectoryYAML, "id: laptop", "id: a.b", 1))))
	callouttest.Must(t, err)
	if _, err := snapshot.New(records); err == nil {
		t.Error("the directory accepts a key id with a dot")
	}
	d := newScoped(t, dotted{})
	for token, code := range map[string]string{
		"dotted a.b":   callout.CodeNotOneToken, // the id becomes the tag key:a.b
		"dotted *":     callout.CodeNotOneToken,
		"dotted ab":    callout.CodeGranted,
		"wsonly-key":   callout.CodeScopeLimits, // limits.connection_types
		"here-key":     callout.CodeGranted,     // usher checks networks
		"consumer-key": callout.CodeGranted,     // its role is not bound
	} {
		err := attempt(d.URLs(), nats.Token(token))
		if (err == nil) != (code == callout.CodeGranted) || err != nil && !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v, want code %s", token, err, code)
		}
		if err != nil {
			if reason := nextReason(t, d.refusals); !strings.Contains(reason, "denied, request ") {
				t.Errorf("%s: refused because: %s", token, reason)
			}
		}
		d.service.WaitEvent(t, code)
	}
}
