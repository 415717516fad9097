package callout_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/permissions"
)

// reportWait is how long to wait for reports. They arrive within milliseconds.
const reportWait = 300 * time.Millisecond

// reports collects the reports of all ushers, and retries while some are missing. nc is
// in the callout account.
func reports(t *testing.T, nc *nats.Conn, want int) []keyusage.Report {
	t.Helper()
	var all []keyusage.Report
	callouttest.Eventually(t, fmt.Sprintf("%d reports", want), func() bool {
		var err error
		all, err = keyusage.Collect(t.Context(), nc, reportWait)
		callouttest.Must(t, err)
		return len(all) >= want
	})
	if len(all) != want {
		t.Fatalf("%d reports, want %d", len(all), want)
	}
	return all
}

// usageOf returns the entry of a key in a report, as one line.
func usageOf(t *testing.T, r keyusage.Report, public string) string {
	t.Helper()
	k := r.Key(public)
	if k == nil {
		return "not listed"
	}
	var names []string
	for _, s := range k.Servers {
		names = append(names, s.Name)
		if age := time.Since(s.Last); age < -time.Minute || age > time.Minute {
			t.Errorf("%s was seen %s ago", s.Name, age)
		}
	}
	slices.Sort(names)
	if (k.Last == nil) != (len(names) == 0) {
		t.Errorf("%s: last %v, servers %q", public, k.Last, names)
	}
	return fmt.Sprintf("%s %s %d %q", k.Kind, k.State, k.LastHour, names)
}

// expectUsage checks the entry of a key in a report.
func expectUsage(t *testing.T, r keyusage.Report, what, public, want string) {
	t.Helper()
	if got := usageOf(t, r, public); got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// expectConnects connects n clients to one server, and checks whether it accepts them.
func expectConnects(t *testing.T, url string, n int, want bool) {
	t.Helper()
	for range n {
		nc, err := nats.Connect(url, nats.Token("publisher-key"), nats.Timeout(testTimeout), nats.IgnoreDiscoveredServers())
		if err == nil {
			nc.Close()
		}
		if (err == nil) != want {
			t.Fatalf("%s: %v", url, err)
		}
	}
}

// The requests of each server count for the keys that it requests.
func TestReportOfTwoServers(t *testing.T) {
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			servers, keys := cluster(t, sealed)
			callouttest.StartService(t, callouttest.ServiceConfig{
				URLs: servers[0].URL(), Keyring: callouttest.KeyringDir(t, sealed, keys[0], keys[1]),
				Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Connections: 3,
			})
			for i, s := range servers {
				waitInterest(t, s)
				expectConnects(t, s.URL(), 3+i, true)
			}
			r := reports(t, servers[1].Connect(t, callouttest.ServiceUser), 1)[0] // the 3 connections send the same report
			if r.Instance == "" || time.Since(r.Started) > time.Minute {
				t.Errorf("%+v", r)
			}
			expectUsage(t, r, "issuer of one", keys[0].Issuer, `issuer active 3 ["one"]`)
			expectUsage(t, r, "issuer of two", keys[1].Issuer, `issuer active 4 ["two"]`)
			if sealed {
				expectUsage(t, r, "xkey of one", keys[0].XKey, `xkey active 3 ["one"]`)
				expectUsage(t, r, "xkey of two", keys[1].XKey, `xkey active 4 ["two"]`)
			}
			if id := r.Key(keys[0].Issuer).Servers[0].ID; id != servers[0].ID() {
				t.Errorf("server %s, want %s", id, servers[0].ID())
			}
		})
	}
}

// A requested key is listed also if it is not in the keyring.
func TestReportOfUnknownIssuer(t *testing.T) {
	t.Parallel() // mostly waits
	servers, keys := cluster(t, false)
	dir := callouttest.KeyringDir(t, false, keys[0])
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: servers[0].URL(), Keyring: dir, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	for _, s := range servers {
		waitInterest(t, s)
	}
	nc := servers[0].Connect(t, callouttest.ServiceUser)
	expectUsage(t, reports(t, nc, 1)[0], "before a request", keys[1].Issuer, "not listed")
	expectConnects(t, servers[1].URL(), 1, false)
	expectUsage(t, reports(t, nc, 1)[0], "requested", keys[1].Issuer, `  1 ["two"]`)
	callouttest.WriteSeed(t, dir+"/new.nk", keys[1].IssuerSeed)
	callouttest.Must(t, service.ReloadKeyring())
	expectConnects(t, servers[1].URL(), 2, true)
	expectUsage(t, reports(t, nc, 1)[0], "in the keyring", keys[1].Issuer, `issuer active 3 ["two"]`)
	expectUsage(t, reports(t, nc, 1)[0], "other key", keys[0].Issuer, `issuer active 0 []`)
}

// Each replica has its own report with its part of the requests.
func TestReportOfReplicas(t *testing.T) {
	s, _ := newReplicas(t, true, 2)
	expectConnects(t, s.server.URL(), 20, true)
	all := reports(t, s.server.Connect(t, callouttest.ServiceUser), 2)
	var sum uint64
	for _, r := range all {
		sum += r.Key(s.keys.Issuer).LastHour
	}
	if sum != 20 || all[0].Instance == all[1].Instance || all[1].Started.Before(all[0].Started) {
		t.Errorf("%d requests: %+v", sum, all)
	}
}

func TestReportForgetsAfterAnHour(t *testing.T) {
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	var clock callouttest.Clock
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Now: clock.Now,
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	expectConnects(t, srv.URL(), 2, true)
	for _, c := range []struct {
		move time.Duration
		want uint64
	}{{0, 2}, {58 * time.Minute, 2}, {2 * time.Minute, 0}} {
		clock.Advance(c.move)
		report := service.Report()
		k := report.Key(keys.Issuer)
		if k.LastHour != c.want || k.Last == nil || len(k.Servers) != 1 {
			t.Errorf("%s later: %+v", c.move, k)
		}
	}
}

// A request that no server has signed does not count.
//
// Attack: forged requests falsify the report of key usage
// Held by: usher counts only requests that a server signed
func TestReportIgnoresForgedRequests(t *testing.T) {
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			s, i := newImpostor(t, sealed)
			token := i.signed(i.claims())
			other := callouttest.NewKeys(t)
			for _, msg := range []*nats.Msg{
				i.message(token[:len(token)-4] + "AAAA"),
				i.with(func(c *jwt.AuthorizationRequestClaims) { c.Server.ID = s.server.ID() }),
				i.with(func(c *jwt.AuthorizationRequestClaims) { c.Audience = "x" }),
				i.with(func(c *jwt.AuthorizationRequestClaims) { c.Subject = other.Issuer; c.UserNkey = other.Issuer }),
			} {
				before := len(s.service.Settled(t))
				callouttest.Must(t, i.nc.PublishMsg(msg))
				callouttest.Eventually(t, "the request is in the audit", func() bool { return len(s.service.Events(t)) > before })
				if e := latest(s.service.Events(t)); e.Text("outcome") != "malformed" {
					t.Errorf("%v", e)
				}
			}
			r := s.service.Report()
			expectUsage(t, r, "issuer", s.keys.Issuer, "issuer active 0 []")
			expectUsage(t, r, "unknown", other.Issuer, "not listed")
			if sealed {
				expectUsage(t, r, "xkey", s.keys.XKey, "xkey active 0 []")
			}
		})
	}
}

// In operator mode a key counts the answers in which it signs the response or the user
// JWT.
func TestReportOfOperatorMode(t *testing.T) {
	template := jwt.UserPermissionLimits{Limits: jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: -1, Data: -1, Payload: -1}}}
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{
		Sealed: true, Scoped: map[string]jwt.UserPermissionLimits{"publisher": template},
	})
	callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Scoped: []permissions.ScopedRole{{Account: callouttest.AppAccount, Role: "publisher"}},
	})
	expectConnects(t, o.URLs(), 2, true) // APP, scoped
	for _, c := range []struct {
		opt     nats.Option
		granted bool
	}{
		{nats.Token("consumer-key"), true},                    // APP
		{nats.UserInfo("project=far", "both-key"), true},      // OTHER
		{nats.Token("unknown-key"), false},                    // a response without a user JWT
		{nats.UserInfo("project=lab", "stranger-key"), false}, // as above
	} {
		nc, err := nats.Connect(o.URLs(), c.opt, nats.Timeout(testTimeout))
		if err == nil {
			nc.Close()
		}
		if (err == nil) != c.granted {
			t.Errorf("connect: %v", err)
		}
	}
	nc, err := nats.Connect(o.URLs(), nats.UserCredentials(o.ServiceCreds))
	callouttest.Must(t, err)
	defer nc.Close()
	r := reports(t, nc, 1)[0]
	for name, want := range map[string]string{
		callouttest.CalloutAccount:            `signing_key active 6 ["n1"]`,
		callouttest.AppAccount:                `signing_key active 1 ["n1"]`,
		callouttest.AppAccount + "/publisher": `signing_key active 2 ["n1"]`,
		callouttest.OtherAccount:              `signing_key active 1 ["n1"]`,
		callouttest.HealthAccount:             `signing_key active 0 []`,
	} {
		expectUsage(t, r, name, o.Signing[name].Issuer, want)
	}
	expectUsage(t, r, "xkey", o.XKey.XKey, `xkey active 6 ["n1"]`)
	if k := r.Key(o.Signing[callouttest.AppAccount+"/publisher"].Issuer); k.Account != callouttest.AppAccount || k.Scope != "publisher" || k.State != issuer.StateActive {
		t.Errorf("%+v", k)
	}
	expectUsage(t, r, "the callout account", o.Accounts[callouttest.CalloutAccount], "not listed")
}

// During the rotation of a signing key each key counts its own signatures. The count of
// the old key stops.
func TestReportOfReplacedSigningKey(t *testing.T) {
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	expectConnects(t, o.URLs(), 3, true)
	old, replacement := o.Signing[callouttest.AppAccount], callouttest.NewKeys(t)
	c := o.ReadAccount(t, callouttest.AppAccount)
	c.SigningKeys.Add(replacement.Issuer)
	o.PushAccount(t, callouttest.AppAccount, c)
	callouttest.WriteSeed(t, filepath.Join(o.Keyring, "new.nk"), replacement.IssuerSeed)
	state, err := keyring.ReadState(o.Keyring, keyring.Config{Callout: callouttest.CalloutAccount})
	callouttest.Must(t, err)
	state.Entry(old.Issuer).State = issuer.StateRetiring
	state.Keys = append(state.Keys, keyring.Entry{
		Kind: issuer.KindSigning, PublicKey: replacement.Issuer, Account: callouttest.AppAccount, File: "new.nk", State: issuer.StateActive,
	})
	callouttest.Must(t, keyring.Save(o.Keyring, keyring.Config{Callout: callouttest.CalloutAccount}, state))
	callouttest.Must(t, service.ReloadKeyring())
	expectConnects(t, o.URLs(), 2, true)
	r := service.Report()
	expectUsage(t, r, "old", old.Issuer, `signing_key retiring 3 ["n1"]`)
	expectUsage(t, r, "new", replacement.Issuer, `signing_key active 2 ["n1"]`)
	expectUsage(t, r, "responses", o.Signing[callouttest.CalloutAccount].Issuer, `signing_key active 5 ["n1"]`)
}

func TestNoReports(t *testing.T) {
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: callouttest.NewKeys(t)})
	nc := srv.Connect(t, callouttest.ServiceUser)
	reports(t, nc, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keyusage.Collect(ctx, nc, reportWait); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
