package operator_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/issuer/operator"
)

// Attack: a push of an account JWT that no server trusts locks every client out of the account
// Held by: the signer is compared with every server's trusted_operators_jwt before a push
func TestTrust(t *testing.T) {
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Servers: 2})
	c := operator.NewCluster(o.ConnectSystem(t), 0)
	servers, err := c.Servers(t.Context())
	callouttest.Must(t, err)
	dir := operator.Dir(o.JWTDir)
	callouttest.Must(t, c.Ready(t.Context(), dir, o.SigningKey, servers))
	callouttest.Must(t, c.Ready(t.Context(), dir, o.Key, servers))

	o.ReplaceSigningKey(t)
	var failure *operator.TrustError
	if err := c.Ready(t.Context(), dir, o.SigningKey, servers); !errors.As(err, &failure) || operator.Names(failure.Untrusted) != "n1, n2" || operator.TrustHint(err) == "" {
		t.Fatalf("a key that only the operator JWT on disk names: %v", err)
	}
	// No client was in APP yet. A server would accept any push, and refuse the JWT only
	// when it loads the account.
	app := o.Accounts[callouttest.AppAccount]
	before, stored, _, err := c.Newest(t.Context(), app, servers)
	callouttest.Must(t, err)
	next, err := operator.Clone(before)
	callouttest.Must(t, err)
	text, err := operator.Sign(next, o.SigningKey)
	callouttest.Must(t, err)
	if err := c.Push(t.Context(), app, text, servers); !errors.As(err, &failure) || len(failure.Untrusted) != 2 {
		t.Fatalf("push: %v", err)
	}
	if _, now, _, err := c.Newest(t.Context(), app, servers); err != nil || now != stored {
		t.Errorf("the JWT was pushed (%v)", err)
	}

	// The servers are restarted one after the other with the operator JWT on disk.
	o.Servers[1].Stop()
	o.Servers[1].Start(t)
	o.WaitCluster(t)
	servers, err = c.Servers(t.Context())
	callouttest.Must(t, err)
	if err := c.Push(t.Context(), app, text, servers); !errors.As(err, &failure) || operator.Names(failure.Untrusted) != "n1" {
		t.Fatalf("push after the restart of one server: %v", err)
	}
	o.Servers[0].Stop()
	o.Servers[0].Start(t)
	o.WaitCluster(t)
	c = operator.NewCluster(o.ConnectSystem(t), 0)
	servers, err = c.Servers(t.Context())
	callouttest.Must(t, err)
	callouttest.Must(t, c.Ready(t.Context(), dir, o.SigningKey, servers))
	callouttest.Must(t, c.Push(t.Context(), app, text, servers))
}

// A system user that may not request VARZ gets an error that says so.
func TestTrustUnknown(t *testing.T) {
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Edit: func(name string, c jwt.Claims) {
		if u, ok := c.(*jwt.UserClaims); ok && name == callouttest.SystemUser {
			u.Pub.Deny.Add("$SYS.REQ.SERVER.PING.VARZ")
		}
	}})
	nc, err := nats.Connect(o.URLs(), nats.UserCredentials(o.SystemCreds), callouttest.ConnectTimeout(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	callouttest.Must(t, err)
	defer nc.Close()
	c := operator.NewCluster(nc, 2*time.Second)
	servers, err := c.Servers(t.Context())
	callouttest.Must(t, err)
	var failure *operator.TrustError
	if err := c.CheckTrust(t.Context(), "O", servers); !errors.As(err, &failure) || operator.Names(failure.Unknown) != "n1" {
		t.Errorf("%v", err)
	}
}
