package operator_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
	"usher/issuer/operator"
	"usher/permissions"
)

// TestLimits checks that templates are expanded as nats-server does.
func TestLimits(t *testing.T) {
	key := callouttest.NewKeys(t).Issuer
	user, err := nkeys.CreateUser()
	callouttest.Must(t, err)
	public, err := user.PublicKey()
	callouttest.Must(t, err)
	for name, c := range map[string]struct {
		allow, deny, want []string
		err               error
	}{
		"functions":        {allow: []string{"{{name()}}.{{ Account-Name() }}.>"}, want: []string{"alice.APP.>"}},
		"every value":      {allow: []string{"{{tag(project)}}.{{tag(role)}}"}, want: []string{"a.r", "b.r"}},
		"no such tag":      {allow: []string{"x", "{{tag(team)}}.y"}, want: []string{"x"}},
		"no rule is left":  {allow: []string{"{{tag(team)}}.y"}},
		"a queue group":    {allow: []string{"{{name()}} workers"}, want: []string{"alice workers"}},
		"a deny, no tag":   {deny: []string{"{{tag(team)}}.y"}, err: operator.ErrTemplate},
		"unknown function": {allow: []string{"{{teapot()}}"}, err: operator.ErrTemplate},
		"an argument":      {allow: []string{"{{name(x)}}"}, err: operator.ErrTemplate},
	} {
		a := jwt.NewAccountClaims(callouttest.NewKeys(t).Issuer)
		a.Name = "APP"
		scope := jwt.NewUserScope()
		scope.Key, scope.Role = key, "publisher"
		scope.Template.Pub = jwt.Permission{Allow: c.allow, Deny: c.deny}
		a.SigningKeys.AddScopedSigner(scope)
		u := jwt.NewUserClaims(public)
		u.SetScoped(true)
		u.Name, u.Issuer, u.IssuerAccount = "alice", key, a.Subject
		u.Tags.Add("project:a", "project:b", "role:r")
		got, err := operator.Limits(a, u, true)
		if !errors.Is(err, c.err) || !slices.Equal(got.Pub.Allow, c.want) {
			t.Errorf("%s: %v, %v", name, got.Pub.Allow, err)
		}
		if closed := got.Pub.Deny.Contains(">"); err == nil && closed != (len(c.want) == 0) {
			t.Errorf("%s: closed %t", name, closed)
		}
		u.Pub.Allow.Add("more")
		if _, err := operator.Limits(a, u, true); !errors.Is(err, operator.ErrScope) {
			t.Errorf("%s: permissions in a scoped user JWT: %v", name, err)
		}
	}
}

// TestLimitsSigner checks which keys may sign for an account.
func TestLimitsSigner(t *testing.T) {
	key, own := callouttest.NewKeys(t).Issuer, callouttest.NewKeys(t).Issuer
	a := jwt.NewAccountClaims(own)
	a.SigningKeys.Add(key)
	for _, c := range []struct {
		issuer, account string
		strict          bool
		want            error
	}{
		{own, "", false, nil},
		{own, "", true, operator.ErrStrictSigner},
		{key, own, true, nil},
		{key, "", false, operator.ErrOtherAccount},
		{callouttest.NewKeys(t).Issuer, own, false, operator.ErrUnknownSigner},
		{key, key, false, operator.ErrOtherAccount},
	} {
		u := &jwt.UserClaims{}
		u.Issuer, u.IssuerAccount = c.issuer, c.account
		if _, err := operator.Limits(a, u, c.strict); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOpenAndReach(t *testing.T) {
	const auth = "$SYS.REQ.USER.AUTH"
	for name, c := range map[string]struct {
		pub, sub    jwt.Permission
		resp        *jwt.ResponsePermission
		open, reach []string
	}{
		"nothing":        {open: []string{"publish", "subscribe"}},
		"one side":       {pub: jwt.Permission{Allow: []string{"a"}}, open: []string{"subscribe"}},
		"both sides":     {pub: jwt.Permission{Allow: []string{"a"}}, sub: jwt.Permission{Deny: []string{">"}}},
		"a deny of some": {pub: jwt.Permission{Deny: []string{"a"}}, sub: jwt.Permission{Allow: []string{"a"}}, open: []string{"publish"}},
		"responses":      {resp: &jwt.ResponsePermission{MaxMsgs: 1}, sub: jwt.Permission{Allow: []string{"a"}}},
		"everything":     {pub: jwt.Permission{Allow: []string{">"}}, sub: jwt.Permission{Allow: []string{">"}, Deny: []string{auth}}, reach: []string{"publish >"}},
		"a wildcard":     {pub: jwt.Permission{Allow: []string{"*"}}, sub: jwt.Permission{Allow: []string{"* workers"}}, reach: []string{"subscribe * workers"}},
		"a template":     {pub: jwt.Permission{Allow: []string{"{{name()}}.>"}}, sub: jwt.Permission{Allow: []string{"$SYS.{{name()}}.USER.AUTH"}}},
	} {
		p := &jwt.Permissions{Pub: c.pub, Sub: c.sub, Resp: c.resp}
		if got := operator.OpenSides(p, &jwt.Permissions{}); !slices.Equal(got, c.open) {
			t.Errorf("%s: open %v, not %v", name, got, c.open)
		}
		if got := operator.MatchingAllows(p, auth, permissions.Overlaps); !slices.Equal(got, c.reach) {
			t.Errorf("%s: reach %v, not %v", name, got, c.reach)
		}
	}
	deny := &jwt.Permissions{Pub: jwt.Permission{Deny: []string{">"}}, Sub: jwt.Permission{Deny: []string{">"}}}
	if got := operator.OpenSides(&jwt.Permissions{}, deny); got != nil {
		t.Errorf("the account's default permissions: %v", got)
	}
}
