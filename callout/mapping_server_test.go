package callout_test

import (
	"encoding/hex"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/tokens"
)

// mappedEnv is a server and a service that knows identities of another authority.
func mappedEnv(t *testing.T, sealed bool) testEnv {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, sealed, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Verifiers: []tokens.Verifier{oidcVerifier{}}, Identities: identityRules(t),
	})
	return testEnv{t, srv, service, keys}
}

// An identity without a user publishes and receives replies, in an inbox that no other
// identity can read, whatever characters its id has.
//
// Attack: an identity reads the inbox of another one, or of a user, whose name its id imitates
// Held by: names of identities are injective and have a ~, which no user name has
func TestMappedIdentityOnServer(t *testing.T) {
	const id, name = "pub:a.b*>~ü", "github~pub%3Aa%2Eb%2A%3E%7E%C3%BC"
	for mode, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := mappedEnv(t, sealed)
			admin := s.server.Connect(t, callouttest.AdminUser)
			_, err := admin.Subscribe("shop.returns", func(m *nats.Msg) { _ = m.Respond([]byte("got " + string(m.Data))) })
			callouttest.Must(t, err)
			callouttest.Must(t, admin.Flush())
			nc := s.connect(t, hex.EncodeToString([]byte(id)), nats.CustomInboxPrefix("_INBOX_"+name))
			e := s.service.WaitEvent(t, "granted")
			if e.Text("user") != name || e.Text("authority") != "github" || e.Text("identity_id") != id || e.Text("rule") != "pub" || e.Text("method") != "oidc" {
				t.Errorf("event: %v", e)
			}
			if user, account := s.connInfo(t, nc); user != name || account != callouttest.AppAccount {
				t.Errorf("%s in %s", user, account)
			}
			m, err := nc.Request("shop.returns", []byte("x"), testTimeout)
			if err != nil || string(m.Data) != "got x" {
				t.Fatalf("request: %v", err)
			}
			for _, subject := range []string{"_INBOX_github~pub.>", "_INBOX_publisher.>", "_INBOX_*.>", "_INBOX.>", "shop.returns"} {
				refused := make(chan error, 1)
				other := s.connect(t, "pub", nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
				if _, err := other.Subscribe(subject, func(*nats.Msg) {}); err != nil {
					t.Fatal(err)
				}
				callouttest.Must(t, other.Flush())
				if own := subject == "_INBOX_github~pub.>"; (other.LastError() == nil) != own {
					t.Errorf("subscribe %s: %v", subject, other.LastError())
				}
				other.Close()
			}
			if nc, err := nats.Connect(s.server.URL(), nats.Token(hex.EncodeToString([]byte("stranger"))), nats.Timeout(testTimeout)); err == nil {
				nc.Close()
				t.Error("a stranger has connected")
			}
			if e := s.service.WaitEvent(t, callout.CodeNoIdentityRule); e.Text("user") != "" || e.Text("identity_id") != "stranger" || e.Text("rule") != "" {
				t.Errorf("event: %v", e)
			}
		})
	}
}

// The MQTT client id of an identity begins with its name, and never with that of another.
func TestMappedMQTTClientID(t *testing.T) {
	s := mappedEnv(t, false)
	for id, code := range map[string]string{
		"github~pub%3A1": "granted", "github~pub%3A1:phone": "granted",
		"github~pub": callout.CodeMQTTClientID, "pub:1": callout.CodeMQTTClientID, "github~pub:1": callout.CodeMQTTClientID, "publisher": callout.CodeMQTTClientID,
	} {
		client := s.mqttClient(id, "x", "pub:1")
		err := waitMQTT(t, client.Connect())
		if (err == nil) != (code == "granted") {
			t.Errorf("client id %s: %v", id, err)
		}
		if err == nil {
			client.Disconnect(100)
		}
		s.service.WaitEvent(t, code)
	}
}

// In operator mode an identity keeps its selection, in the name of its user JWT, when the
// server asks again.
func TestMappedInOperatorMode(t *testing.T) {
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
	s := callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Verifiers: []tokens.Verifier{oidcVerifier{}}, Identities: identityRules(t),
	})
	for _, c := range []struct{ user, account string }{
		{"project=far", callouttest.OtherAccount},
		{"account=APP", callouttest.AppAccount},
		{"github~both,project=far", callouttest.OtherAccount}, // as the server does
	} {
		nc, err := nats.Connect(o.URLs(), nats.UserInfo(c.user, "both"), nats.Timeout(testTimeout))
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.user, err, s.Log)
		}
		id, err := nc.GetClientID()
		callouttest.Must(t, err)
		if account := o.Servers[0].AccountOf(t, id); account != o.Accounts[c.account] {
			t.Errorf("%s: in account %s, want %s", c.user, account, c.account)
		}
		nc.Close()
	}
}
