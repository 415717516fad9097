package operator_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/issuer/operator"
)

func TestCluster(t *testing.T) {
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Servers: 3, Sealed: true})
	c := operator.NewCluster(o.ConnectSystem(t), 0)
	servers, err := c.Servers(t.Context())
	callouttest.Must(t, err)
	if operator.Names(servers) != "n1, n2, n3" {
		t.Fatalf("servers %v", servers)
	}
	auth := o.Accounts[callouttest.CalloutAccount]
	claims, text, agree, err := c.Newest(t.Context(), auth, servers)
	callouttest.Must(t, err)
	if !agree || claims.Authorization.XKey != o.XKey.XKey {
		t.Errorf("agree %t, xkey %q", agree, claims.Authorization.XKey)
	}
	if onDisk, disk, err := operator.Dir(o.JWTDir).Account(callouttest.CalloutAccount); err != nil || disk != text || onDisk.Subject != auth {
		t.Errorf("on disk: %v", err)
	}

	next := callouttest.NewKeys(t)
	changed, err := operator.Clone(claims)
	callouttest.Must(t, err)
	operator.SetXKey(changed, next.XKey)
	callouttest.Must(t, operator.AddSigningKey(changed, "", o.Signing[callouttest.CalloutAccount].Issuer, next.Issuer))
	diff, err := operator.Diff(claims, changed)
	callouttest.Must(t, err)
	want := []string{
		`- nats.authorization.xkey: "` + o.XKey.XKey + `"`,
		`+ nats.authorization.xkey: "` + next.XKey + `"`,
		`+ nats.signing_keys[` + next.Issuer + `]: "` + next.Issuer + `"`,
	}
	if !slices.Equal(diff, want) {
		t.Errorf("diff\n got %q\nwant %q", diff, want)
	}
	signed, err := operator.Sign(changed, o.SigningKey)
	callouttest.Must(t, err)
	callouttest.Must(t, c.Push(t.Context(), auth, signed, servers))
	inForce, err := c.LoadedJWTs(t.Context(), auth, servers)
	callouttest.Must(t, err)
	for _, in := range inForce {
		if in.JWT != "" && in.JWT != signed {
			t.Errorf("%s uses another JWT", in.Server.Name)
		}
	}
	if _, err := operator.Sign(changed, o.Identity[callouttest.AppAccount]); !errors.Is(err, operator.ErrNotOperator) {
		t.Errorf("signed with an account key: %v", err)
	}
	// A resolver would store a JWT that another operator has signed, and report success.
	app := o.Accounts[callouttest.AppAccount]
	o.ConnectAdmin(t)
	claims, _, _, err = c.Newest(t.Context(), app, servers)
	callouttest.Must(t, err)
	other := callouttest.NewOperator(t, callouttest.OperatorConfig{})
	forged, err := operator.Sign(claims, other.SigningKey)
	callouttest.Must(t, err)
	var failure *operator.TrustError
	if err := c.Push(t.Context(), app, forged, servers); !errors.As(err, &failure) || len(failure.Untrusted) != 3 {
		t.Errorf("a JWT of another operator: %v", err)
	}
	operatorClaims, err := operator.Dir(o.JWTDir).Operator()
	callouttest.Must(t, err)
	if err := operator.CheckSigner(operatorClaims, other.SigningKey); err == nil {
		t.Error("CheckSigner accepts the key of another operator")
	}
	if err := operator.CheckSigner(operatorClaims, o.SigningKey); err != nil {
		t.Error(err)
	}
}

// The errors of a resolver that accepts no push, and of a user that may not send
// requests to the servers.
func TestClusterNoAnswer(t *testing.T) {
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Memory: true})
	c := operator.NewCluster(o.ConnectSystem(t), 0)
	servers, err := c.Servers(t.Context())
	callouttest.Must(t, err)
	text, err := os.ReadFile(operator.Dir(o.JWTDir).AccountFile(callouttest.AppAccount))
	callouttest.Must(t, err)
	var failure *operator.PushError
	if err := c.Push(t.Context(), o.Accounts[callouttest.AppAccount], string(text), servers); !errors.As(err, &failure) || len(failure.Unresponsive) != 1 {
		t.Errorf("push to a memory resolver: %v", err)
	}
	nc, err := nats.Connect(o.URLs(), nats.UserCredentials(o.AdminCreds), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	callouttest.Must(t, err)
	defer nc.Close()
	if _, err := operator.NewCluster(nc, 0).Servers(t.Context()); !errors.Is(err, operator.ErrNoServer) {
		t.Errorf("a user of another account: %v", err)
	}
}
