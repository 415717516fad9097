package callout_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/permissions/mapping"
	"usher/tokens"
	"usher/tokens/apikey"
	tokenx509 "usher/tokens/x509"
)

// In operator mode clients with a certificate need the sentinel too. The signature in its
// creds is that of the sentinel, and no credential beside the certificate.
func TestCertificatesInOperatorMode(t *testing.T) {
	ca := callouttest.NewCA(t)
	cert, key := ca.Issue(t, "localhost")
	own := ca.Certificate(t, nil)
	for _, noSentinel := range []bool{false, true} {
		t.Run(fmt.Sprintf("sentinel creds %t", noSentinel), func(t *testing.T) {
			o := callouttest.StartOperator(t, callouttest.OperatorConfig{NoSentinel: noSentinel, ServerExtra: fmt.Sprintf(
				"tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\n", filepath.ToSlash(cert), filepath.ToSlash(key), filepath.ToSlash(ca.File))})
			v, err := tokenx509.NewVerifier(tokenx509.Config{Name: "machines", Identity: tokenx509.ByDNS, Now: time.Now})
			callouttest.Must(t, err)
			s := &certificates{CA: ca}
			s.service = callouttest.StartService(t, callouttest.ServiceConfig{
				Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Verifiers: []tokens.Verifier{v}, Identities: guests(t, "machines"),
				Options: []nats.Option{nats.UserCredentials(o.ServiceCreds), s.present(own)},
			})
			machine := ca.Certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} })
			opts := []nats.Option{s.present(machine), nats.Timeout(testTimeout), ignoreErrors()}
			if noSentinel {
				opts = append(opts, nats.UserCredentials(o.SentinelCreds))
			}
			nc, err := nats.Connect(o.URLs(), opts...)
			if err != nil {
				t.Fatalf("%v\n%v", err, s.service.Events(t))
			}
			nc.Close()
			if e := s.service.WaitEvent(t, callout.CodeGranted); e.Text("user") != "machines~a%2Eexample%2Ecom" {
				t.Errorf("audit: %v", e)
			}
		})
	}
}

// A server that is reloaded asks again with the name of the user JWT, which has no
// selection if the signing key is scoped. The certificate is still there then.
//
// Attack: after a reload of nats-server, a scoped connection with a certificate that selected a project gets the permissions of all its projects
// Held by: the name that its user JWT got is denied as user name if the connection may have selected a project
func TestOwnNameOfCertificate(t *testing.T) {
	ca := callouttest.NewCA(t)
	v, err := tokenx509.NewVerifier(tokenx509.Config{Name: "machines", Identity: tokenx509.ByDNS, Now: time.Now})
	callouttest.Must(t, err)
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	rules := mappingRules(t, mapping.MatchFirst, mapping.Rule{
		Name: "machines", When: []mapping.Condition{{Fact: "authority", Equals: "machines"}},
		Roles: []mapping.Role{
			{Project: "shop", Role: directory.RolePublisher, Topics: []string{"orders"}},
			{Project: "lab", Role: directory.RolePublisher, Topics: []string{"*"}},
		},
	})
	policy := callouttest.Policy()
	policy.Scoped = []permissions.ScopedRole{{Account: callouttest.AppAccount, Role: "publisher"}}
	d := &callout.Decider{Chain: tokens.Chain{v}, Snapshot: func() *snapshot.Snapshot { return current }, Ruleset: callout.FixedRuleset(policy, rules)}
	machine := ca.Certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} })
	for user, code := range map[string]string{"project=shop": callout.CodeGranted, "machines~a%2Eexample%2Ecom": callout.CodeAmbiguousScope} {
		got := d.Decide(t.Context(), &tokens.Credential{User: user, VerifiedChains: [][]string{machine.PEM()}})
		if got.Code != code {
			t.Errorf("%s: %s (%s) %v, want %s", user, got.Code, got.Cause, got.Grant.Rules, code)
		}
	}
}

// Passwords are chosen by people, and several choose the same one.
//
// Attack: somebody tries a usual password with many user names, so that users who have it are not answered
// Held by: a password counts together with the user name, for failures and for slots
func TestSamePasswordOfOthers(t *testing.T) {
	a := newBackend("a")
	close(a.unblock)
	cfg := slowConfig(8, a)
	cfg.FailuresPerCredential = 0.001 // a second: the burst is 1
	s, i := newImpostorWith(t, false, cfg)
	login := func(host, user string) pendingRequest {
		return i.requestWith(t, host, func(o *jwt.ConnectOptions) { o.Username, o.Password, o.Token = user, "a:no", "" })
	}
	login("192.0.2.1", "guess").granted()
	s.service.WaitEvent(t, callout.CodeRejected)
	login("192.0.2.2", "guess")
	s.waitShed(t, callout.CodeFailing, 1)
	login("192.0.2.3", "another").granted() // fails the test if there is no answer
	s.waitShed(t, callout.CodeFailing, 1)
}

// removing is a confirmer that waits while the directory changes.
type removing struct {
	change func()
	calls  int
}

func (*removing) Name() string { return "removing" }

func (*removing) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.ErrNotApplicable
}

func (r *removing) Confirm(_ context.Context, _ *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	if r.calls++; r.calls == 1 {
		r.change()
	}
	return id, nil
}

func (r *removing) SlowToConfirm(*tokens.Credential, *identity.Identity) bool { return r.calls == 0 }

// A certificate beside an API key may have to wait for an OCSP responder.
//
// Attack: a user is removed, or loses a key or a role, while its certificate is checked; it gets the old grant nevertheless
// Held by: a credential is verified again if the directory changed while another one beside it was checked
func TestChangedWhileConfirming(t *testing.T) {
	before := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	after := callouttest.ParseDirectory(t, callouttest.WithDigests("users: [{name: other, keys: [{digest: KEY(other-key)}]}]\nprojects: []\n"))
	for _, changed := range []bool{false, true} {
		current := before
		snapshotNow := func() *snapshot.Snapshot { return current }
		r := &removing{change: func() {
			if changed {
				current = after
			}
		}}
		d := &callout.Decider{Chain: tokens.Chain{apikey.NewVerifier(snapshotNow, time.Now), r}, Snapshot: snapshotNow, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil)}
		got := d.Decide(t.Context(), &tokens.Credential{AuthToken: "publisher-key"})
		want := callout.CodeGranted
		if changed {
			want = apikey.CodeUnknown
		}
		if got.Code != want || changed != (got.Snapshot == nil) {
			t.Errorf("changed %t: %s (%s)", changed, got.Code, got.Cause)
		}
	}
}
