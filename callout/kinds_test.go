package callout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/permissions/mapping"
	"usher/tokens"
	"usher/tokens/anonymous"
	"usher/tokens/natsjwt"
	"usher/tokens/password"
)

// passwordVerifier verifies the passwords of a directory.
func passwordVerifier(t *testing.T, text string) tokens.Verifier {
	t.Helper()
	s := callouttest.ParseDirectory(t, text)
	v, err := password.NewVerifier(password.Config{
		Snapshot: func() *snapshot.Snapshot { return s }, Now: time.Now,
		Memory: 128 << 20, Parallel: 2, Timeout: 5 * time.Second, MaxAge: time.Minute,
	})
	callouttest.Must(t, err)
	return v
}

// passwordDirectory is a directory with user pia, whose password is "correct horse".
func passwordDirectory(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost)
	callouttest.Must(t, err)
	return callouttest.WithDigests(fmt.Sprintf(`
users:
  - {name: pia, password: {id: main, hash: %q}, keys: [{digest: KEY(pia-key)}]}
projects:
  - name: shop
    account: APP
    members: [{user: pia, roles: [publisher]}]
    topics: [{name: orders, acl: [pia]}]
`, hash))
}

// A user connects with name and password over every transport that has both, in both
// modes. A wrong password stays wrong, also where clients may be anonymous.
//
// Attack: a client with a wrong password is let in as an anonymous one
// Held by: a wrong password is final, and a client that presents anything is never anonymous
func TestPasswords(t *testing.T) {
	type place struct{ url, ws, mqtt string }
	check := func(t *testing.T, p place, s *callouttest.Service) {
		t.Helper()
		for _, url := range []string{p.url, p.ws} {
			for user, text := range map[string]string{"pia": "correct horse", "pia,project=shop": "correct horse", "anybody": "pia-key"} {
				nc, err := nats.Connect(url, nats.UserInfo(user, text), nats.Timeout(testTimeout), ignoreErrors())
				if err != nil {
					t.Fatalf("%s of %s: %v\n%s", user, url, err, s.Log)
				}
				nc.Close()
			}
			if nc, err := nats.Connect(url, nats.UserInfo("pia", "battery staple"), nats.Timeout(testTimeout), ignoreErrors()); err == nil {
				nc.Close()
				t.Error("connected with a wrong password")
			}
			s.WaitEvent(t, password.CodeWrong)
		}
		client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(p.mqtt).SetClientID("pia:phone").SetUsername("pia").SetPassword("correct horse").
			SetAutoReconnect(false).SetConnectTimeout(testTimeout).SetProtocolVersion(4))
		callouttest.Must(t, waitMQTT(t, client.Connect()))
		client.Disconnect(100)
	}
	text := passwordDirectory(t)
	verifiers := func(sentinel bool) []tokens.Verifier {
		return []tokens.Verifier{passwordVerifier(t, text), anonymous.NewVerifier(anonymous.Config{Name: "anonymous", Sentinel: sentinel})}
	}
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("config mode, sealed %t", sealed), func(t *testing.T) {
			keys := callouttest.NewKeys(t)
			srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed})
			s := callouttest.StartService(t, callouttest.ServiceConfig{
				URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, sealed, keys), Directory: text, Verifiers: verifiers(false),
			})
			check(t, place{srv.URL(), srv.WebSocketURL(), srv.MQTTURL()}, s)
		})
	}
	t.Run("operator mode", func(t *testing.T) {
		o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
		s := callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: text, Verifiers: verifiers(true)})
		check(t, place{o.URLs(), o.Servers[0].WebSocketURL(), o.Servers[0].MQTTURL()}, s)
	})
}

// guests is a rule that gives everybody of an authority role publisher in project shop.
func guests(t *testing.T, authority string) *mapping.Rules {
	t.Helper()
	return mappingRules(t, mapping.MatchFirst, mapping.Rule{
		Name: "guests", When: []mapping.Condition{{Fact: "authority", Equals: authority}},
		Roles: []mapping.Role{{Project: "shop", Role: directory.RolePublisher, Topics: []string{"orders"}}},
	})
}

// ownJWT writes the creds file of a user of the callout account, and returns it with the
// user's JWT.
func ownJWT(t *testing.T, o *callouttest.Operator, change func(*jwt.UserClaims)) (creds, text string) {
	t.Helper()
	seed, public := callouttest.NewSeed(t, nkeys.PrefixByteUser)
	c := jwt.NewUserClaims(public)
	c.Name = "pia"
	if change != nil {
		change(c)
	}
	text, err := c.Encode(o.Identity[callouttest.CalloutAccount])
	callouttest.Must(t, err)
	content, err := jwt.FormatUserConfig(text, []byte(seed))
	callouttest.Must(t, err)
	creds = filepath.Join(t.TempDir(), "pia.creds")
	callouttest.Must(t, os.WriteFile(creds, content, 0o600))
	return creds, text
}

// natsJWTVerifier trusts the operator, and reads the account JWTs that its servers load.
func natsJWTVerifier(t *testing.T, o *callouttest.Operator) tokens.Verifier {
	t.Helper()
	signing, err := o.SigningKey.PublicKey()
	callouttest.Must(t, err)
	v, err := natsjwt.NewVerifier(natsjwt.Config{Name: "nats", Operators: []string{signing}, Dir: o.JWTDir, Leeway: 5 * time.Second, Now: time.Now})
	callouttest.Must(t, err)
	return v
}

// In operator mode nats-server asks usher about users of the callout account with their
// own JWT, and decides about those of other accounts itself. A client with a token, the
// sentinel, and a client without anything are decided as before.
func TestOwnUserJWTs(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed %t", sealed), func(t *testing.T) {
			o := callouttest.StartOperator(t, callouttest.OperatorConfig{Sealed: sealed})
			s := callouttest.StartService(t, callouttest.ServiceConfig{
				Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
				Verifiers: []tokens.Verifier{natsJWTVerifier(t, o)}, Identities: guests(t, "nats"),
			})
			creds, _ := ownJWT(t, o, nil)
			for _, url := range []string{o.URLs(), o.Servers[0].WebSocketURL()} {
				nc, err := nats.Connect(url, nats.UserCredentials(creds), nats.Timeout(testTimeout), ignoreErrors())
				if err != nil {
					t.Fatalf("%v\n%s", err, s.Log)
				}
				id, err := nc.GetClientID()
				callouttest.Must(t, err)
				if account := o.Servers[0].AccountOf(t, id); account != o.Accounts[callouttest.AppAccount] {
					t.Errorf("in account %s", account)
				}
				nc.Close()
				if e := s.WaitEvent(t, callout.CodeGranted); e.Text("method") != "natsjwt" {
					t.Errorf("audit: %v", e)
				}
			}
			for name, opts := range map[string][]nats.Option{
				"a token":                  {nats.Token("publisher-key")},
				"a token and the sentinel": {nats.Token("publisher-key"), nats.UserCredentials(o.SentinelCreds)},
				"a token and its own JWT":  {nats.Token("publisher-key"), nats.UserCredentials(creds)},
			} {
				nc, err := nats.Connect(o.URLs(), append(opts, nats.Timeout(testTimeout))...)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				nc.Close()
			}
			before := len(s.Settled(t))
			o.ConnectAdmin(t).Close()
			if events := s.Settled(t); len(events) != before {
				t.Errorf("usher was asked about a user of another account: %v", events[before:])
			}
			for name, opts := range map[string][]nats.Option{"nothing": nil, "the sentinel": {nats.UserCredentials(o.SentinelCreds)}} {
				if nc, err := nats.Connect(o.URLs(), append(opts, nats.Timeout(testTimeout), ignoreErrors())...); err == nil {
					nc.Close()
					t.Errorf("%s: connected", name)
				}
				s.WaitEvent(t, callout.CodeNoCredential)
			}
		})
	}
}

// In config mode nats-server sends usher no JWT of a client, but for the password of an
// MQTT client, which it does not verify. Nobody becomes anonymous by that.
//
// Attack: an MQTT client in config mode sends a NATS user JWT that it has made up, which nats-server passes on unverified
// Held by: usher verifies the whole chain to a configured operator or account; such a client is not anonymous either
func TestUserJWTsInConfigMode(t *testing.T) {
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, NKey: newNKeyClient(t).public})
	o := callouttest.NewOperator(t, callouttest.OperatorConfig{})
	signing, err := o.SigningKey.PublicKey()
	callouttest.Must(t, err)
	v, err := natsjwt.NewVerifier(natsjwt.Config{
		Name: "nats", Operators: []string{signing}, Dir: o.JWTDir, Bearer: true, Sentinels: []string{"none"}, Now: time.Now,
	})
	callouttest.Must(t, err)
	s := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Verifiers: []tokens.Verifier{v, anonymous.NewVerifier(anonymous.Config{Name: "anonymous"})}, Identities: guests(t, "nats"),
		AnyMQTT: []string{callouttest.AppAccount},
	})
	creds, _ := ownJWT(t, o, nil)
	if nc, err := nats.Connect(srv.URL(), nats.UserCredentials(creds), nats.Timeout(testTimeout), ignoreErrors()); err == nil {
		nc.Close()
		t.Error("connected with a JWT that nats-server does not pass on")
	}
	s.WaitEvent(t, callout.CodeNoCredential)
	connect := func(text string) error {
		client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(srv.MQTTURL()).SetClientID("any").SetUsername("project=shop").SetPassword(text).
			SetAutoReconnect(false).SetConnectTimeout(testTimeout).SetProtocolVersion(4))
		defer client.Disconnect(100)
		return waitMQTT(t, client.Connect())
	}
	bearer := func(c *jwt.UserClaims) { c.BearerToken = true }
	_, trusted := ownJWT(t, o, bearer)
	if err := connect(trusted); err != nil {
		t.Errorf("%v\n%s", err, s.Log)
	}
	_, untrusted := ownJWT(t, callouttest.NewOperator(t, callouttest.OperatorConfig{}), bearer)
	if connect(untrusted) == nil {
		t.Error("connected with a JWT that its client made up")
	}
	s.WaitEvent(t, natsjwt.CodeIssuer)
}

// A client without a credential gets what the rules give anonymous clients, and one with a
// bad credential gets nothing.
func TestAnonymous(t *testing.T) {
	check := func(t *testing.T, url string, s *callouttest.Service) {
		t.Helper()
		for name, opts := range map[string][]nats.Option{"nothing": nil, "a selection": {nats.UserInfo("project=shop", "")}} {
			nc, err := nats.Connect(url, append(opts, nats.Timeout(testTimeout))...)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, s.Log)
			}
			nc.Close()
		}
		if e := s.WaitEvent(t, callout.CodeGranted); e.Text("method") != "anonymous" {
			t.Errorf("audit: %v", e)
		}
		for name, opt := range map[string]nats.Option{
			"a token": nats.Token("unknown-key"), "a password": nats.UserInfo("pia", "wrong"), "a user name": nats.UserInfo("pia", ""),
		} {
			if nc, err := nats.Connect(url, opt, nats.Timeout(testTimeout), ignoreErrors()); err == nil {
				nc.Close()
				t.Errorf("connected with %s", name)
			}
		}
	}
	cfg := callouttest.ServiceConfig{Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Identities: guests(t, "anonymous")}
	t.Run("config mode", func(t *testing.T) {
		cfg, keys := cfg, callouttest.NewKeys(t)
		srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
		cfg.URLs, cfg.Keyring = srv.URL(), callouttest.KeyringDir(t, false, keys)
		cfg.Verifiers = []tokens.Verifier{anonymous.NewVerifier(anonymous.Config{Name: "anonymous"})}
		check(t, srv.URL(), callouttest.StartService(t, cfg))
	})
	t.Run("operator mode", func(t *testing.T) {
		cfg, o := cfg, callouttest.StartOperator(t, callouttest.OperatorConfig{})
		cfg.Operator = o
		cfg.Verifiers = []tokens.Verifier{anonymous.NewVerifier(anonymous.Config{Name: "anonymous", Sentinel: true})}
		check(t, o.URLs(), callouttest.StartService(t, cfg))
	})
}
