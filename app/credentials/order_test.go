package credentials_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens/apikey"
	"usher/tokens/automate"
	"usher/tokens/introspection"
	"usher/tokens/nkey"
	"usher/tokens/oidc"
	"usher/tokens/password"
	"usher/tokens/webhook"
)

// asked counts the calls of each system that usher asks.
func (s *site) asked() map[string]int64 {
	calls := map[string]int64{}
	for name, e := range map[string]*endpoint{
		"opaque": s.opaque, "dead": s.dead, "reviewed": s.reviewer, "hook": s.hook, "others": s.others,
	} {
		calls[name] = e.calls.Load()
	}
	calls["chef"] = int64(len(s.chef.Asked()))
	return calls
}

// A verifier that knows a credential decides about it for good: it goes to no other
// verifier, and no other system sees it. Only who presents nothing is anonymous.
//
// Attack: a client whose credential is bad is let in as somebody else, or as anonymous
// Held by: the first verifier that knows a credential decides; anonymous clients present nothing
func TestNothingFallsThrough(t *testing.T) {
	t.Parallel() // mostly waits
	s := startSite(t, siteConfig{mode: configMode})
	unknownKey, tcp := newAPIKey(t, s).token, transports()[0]
	stranger := newSigner(t, s.corp.issuer, "at+jwt")
	elsewhere := newSigner(t, "https://elsewhere.example", "at+jwt")
	for name, c := range map[string]struct {
		presented
		code string
		asks string // the systems that are asked
	}{
		"expired JWT":                             {presented{token: s.corp.token(t, "erin", -time.Minute, nil)}, oidc.CodeExpired, ""},
		"expired JWT as the password of a user":   {presented{user: "alice", password: s.corp.token(t, "erin", -time.Minute, nil)}, oidc.CodeExpired, ""},
		"JWT with the signature of somebody else": {presented{token: stranger.token(t, "erin", time.Hour, nil)}, oidc.CodeSignature, ""},
		"JWT of an issuer that nobody knows":      {presented{token: elsewhere.token(t, "erin", time.Hour, nil)}, oidc.CodeIssuerUnknown, ""},
		"wrong password":                          {presented{user: "alice", password: "wrong-horse"}, password.CodeWrong, ""},
		"password of a user whom nobody knows":    {presented{user: "nobody", password: "wrong-horse"}, webhook.CodeUnknown, "others others"},
		"unknown API key":                         {presented{token: unknownKey}, apikey.CodeUnknown, ""},
		"unknown API key as a user's password":    {presented{user: "alice", password: unknownKey}, apikey.CodeUnknown, ""},
		"mistyped API key":                        {presented{token: unknownKey + "x"}, apikey.CodeMalformed, ""},
		"opaque token that is not active":         {presented{token: opaquePrefix + refused}, introspection.CodeInactive, "opaque"},
		"token that Automate refuses":             {presented{token: chefPrefix + refused}, automate.CodeRejected, "chef"},
		"token that the endpoint refuses":         {presented{token: hookPrefix + refused}, webhook.CodeDenied, "hook"},
		"token that nobody knows":                 {presented{token: "unknown-key"}, webhook.CodeUnknown, "others"},
		"name of a user without a password":       {presented{user: "alice"}, apikey.CodeUnknown, ""},
		"nkey of nobody":                          {newNKey(t, s), nkey.CodeUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			want := s.asked()
			for _, system := range strings.Fields(c.asks) {
				want[system]++
			}
			s.expectDenied(t, &tcp, c.presented, c.code)
			if got := s.asked(); !maps.Equal(got, want) {
				t.Errorf("asked %v, want %v", got, want)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		before := s.asked()
		for name, p := range map[string]presented{"nothing": {}, "only a selection": {user: "project=shop"}} {
			if e := s.expectGranted(t, &tcp, p); e.Text("method") != string(identity.MethodAnonymous) {
				t.Errorf("%s: %v", name, e)
			}
		}
		if got := s.asked(); !maps.Equal(got, before) {
			t.Errorf("asked %v, want %v", got, before)
		}
	})
	t.Run("nkey of a user with the signature of another", func(t *testing.T) {
		kp, err := nkeys.FromSeed([]byte(s.nkeySeed))
		callouttest.Must(t, err)
		public, err := kp.PublicKey()
		callouttest.Must(t, err)
		other, err := nkeys.CreateUser()
		callouttest.Must(t, err)
		forged := transport{connect: func(_ *testing.T, s *site, _ presented) (client, error) {
			return dial(s, s.url, presented{}, nats.Nkey(public, other.Sign))
		}}
		s.expectDenied(t, &forged, presented{}, nkey.CodeSignature)
	})
}

// A system that does not answer means silence for its own credentials, and nothing for
// others.
func TestDeadBackend(t *testing.T) {
	t.Parallel() // mostly waits
	s := startSite(t, siteConfig{mode: operatorMode, sealed: true})
	silent := make(chan error, 1)
	go func() {
		nc, err := nats.Connect(s.url, nats.Token(deadPrefix+"erin"), nats.Timeout(2*time.Second))
		if err == nil {
			nc.Close()
		}
		silent <- err
	}()
	event := s.waitEvents(t, 1)[0]
	if event.Text("outcome") != string(callout.Unavailable) || event.Text("verifier") != "introspection:dead" {
		t.Errorf("audit: %v", event)
	}
	tcp := transports()[0]
	for _, k := range kinds() {
		if !k.tls {
			s.expectGranted(t, &tcp, k.good(t, s))
		}
	}
	if err := <-silent; err == nil || errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v, want no answer", err)
	}
}
