package issuer_test

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/directory"
	"usher/identity"
	"usher/issuer"
	"usher/permissions"
)

// noon has half a second, because a clock has fractions of a second and a JWT has not.
// It is in the future, because jwt/v2 validates expiry with the machine's clock.
var noon = time.Date(2101, 1, 1, 12, 0, 0, 500_000_000, time.UTC)

func newIssuer(change func(*issuer.Config)) *issuer.Issuer {
	cfg := issuer.Config{
		Policy: &permissions.Policy{CalloutAccount: "AUTH", SystemAccount: "SYS"},
		Now:    func() time.Time { return noon },
		Random: func() float64 { return 0 },
	}
	if change != nil {
		change(&cfg)
	}
	return issuer.New(cfg)
}

// connected is a connection to a standard client port, as every grant needs one.
func connected() identity.Connection {
	return identity.Connection{Types: []string{"STANDARD", "IN_PROCESS"}}
}

func grant() *permissions.Grant {
	return &permissions.Grant{
		Account: "APP", ConnectionTypes: []directory.ConnectionType{directory.ConnectionStandard}, Connection: connected(),
		Rules: []permissions.Rule{
			{Side: permissions.Publish, Effect: permissions.Allow, Subject: "shop.>"},
			{Side: permissions.Publish, Effect: permissions.Deny, Subject: "shop.secret"},
			{Side: permissions.Subscribe, Effect: permissions.Allow, Subject: "_INBOX_pia.>"},
		},
		Tags: []string{"key:laptop", "project:shop"},
	}
}

func signer(tb testing.TB) issuer.Signer {
	tb.Helper()
	seed, _ := seedOf(tb, nkeys.PrefixByteAccount)
	s, err := issuer.NewSigner([]byte(seed))
	must(tb, err)
	return s
}

func recipient(tb testing.TB) issuer.Recipient {
	tb.Helper()
	_, user := seedOf(tb, nkeys.PrefixByteUser)
	_, server := seedOf(tb, nkeys.PrefixByteServer)
	return issuer.Recipient{UserNkey: user, ServerID: server}
}

// decodeResponse decodes a response as nats-server does, and checks that it is valid.
func decodeResponse(t *testing.T, response []byte, s issuer.Signer, to issuer.Recipient) *jwt.AuthorizationResponseClaims {
	t.Helper()
	rc, err := jwt.DecodeAuthorizationResponseClaims(string(response))
	must(t, err)
	valid(t, rc)
	if rc.Issuer != s.PublicKey() || rc.Subject != to.UserNkey || rc.Audience != to.ServerID || rc.IssuerAccount != "" {
		t.Errorf("response has issuer %s, subject %s, audience %s", rc.Issuer, rc.Subject, rc.Audience)
	}
	return rc
}

func valid(t *testing.T, claims jwt.Claims) {
	t.Helper()
	vr := jwt.CreateValidationResults()
	claims.Validate(vr)
	for _, issue := range vr.Issues {
		t.Errorf("invalid: %s", issue.Description)
	}
}

func decodeUser(t *testing.T, rc *jwt.AuthorizationResponseClaims) *jwt.UserClaims {
	t.Helper()
	uc, err := jwt.DecodeUserClaims(rc.Jwt)
	must(t, err)
	valid(t, uc)
	return uc
}

func TestIssue(t *testing.T) {
	s, to, g := signer(t), recipient(t), grant()
	g.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	g.ConnectionTypes, g.WholeAccount = directory.ConnectionTypes(), true
	g.NotAfter = noon.Add(time.Hour)
	response, expires, err := newIssuer(nil).Issue(t.Context(), issuer.SingleIssuer(s), to, identity.Identity{Name: "pia"}, g)
	must(t, err)
	rc := decodeResponse(t, response, s, to)
	if rc.Error != "" {
		t.Errorf("error %q", rc.Error)
	}
	uc := decodeUser(t, rc)
	if uc.Subject != to.UserNkey || uc.Issuer != s.PublicKey() || uc.IssuerAccount != "" || uc.Audience != "APP" || uc.Name != "pia" {
		t.Errorf("user JWT %+v", uc.ClaimsData)
	}
	if uc.Expires != noon.Add(time.Hour).Unix() || expires.Unix() != uc.Expires || uc.NotBefore != 0 {
		t.Errorf("valid from %d to %d, reported %v", uc.NotBefore, uc.Expires, expires)
	}
	if !reflect.DeepEqual(uc.Tags, jwt.TagList(g.Tags)) {
		t.Errorf("tags %q", uc.Tags)
	}
	if want := (jwt.Permission{Allow: jwt.StringList{"shop.>"}, Deny: jwt.StringList{"shop.secret"}}); !reflect.DeepEqual(uc.Pub, want) {
		t.Errorf("publish %+v", uc.Pub)
	}
	if want := (jwt.Permission{Allow: jwt.StringList{"_INBOX_pia.>"}}); !reflect.DeepEqual(uc.Sub, want) {
		t.Errorf("subscribe %+v", uc.Sub)
	}
	if uc.Resp != nil || uc.BearerToken {
		t.Errorf("responses %v, bearer %v", uc.Resp, uc.BearerToken)
	}
	if got := strings.Join(uc.Src, " "); got != "10.0.0.0/8 2001:db8::/32" {
		t.Errorf("src %s", got)
	}
	if got := strings.Join(uc.AllowedConnectionTypes, " "); got != "STANDARD WEBSOCKET LEAFNODE LEAFNODE_WS MQTT MQTT_WS IN_PROCESS" {
		t.Errorf("connection types %s", got)
	}
}

// The directory has every connection type of jwt/v2.
func TestConnectionTypes(t *testing.T) {
	got := map[string]bool{}
	for _, c := range directory.ConnectionTypes() {
		got[string(c)] = true
	}
	for _, c := range []string{
		jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket, jwt.ConnectionTypeLeafnode,
		jwt.ConnectionTypeLeafnodeWS, jwt.ConnectionTypeMqtt, jwt.ConnectionTypeMqttWS, jwt.ConnectionTypeInProcess,
	} {
		if !got[c] {
			t.Errorf("%s is missing", c)
		}
	}
}

func TestDeny(t *testing.T) {
	s, to := signer(t), recipient(t)
	response, err := newIssuer(nil).Deny(t.Context(), issuer.SingleIssuer(s), to, "denied; request id 42")
	must(t, err)
	rc := decodeResponse(t, response, s, to)
	if rc.Error != "denied; request id 42" || rc.Jwt != "" {
		t.Errorf("error %q, user JWT %q", rc.Error, rc.Jwt)
	}
}

// Invariant 5: a user JWT expires no later than the credential and no later than the
// cap. Jitter applies only where the cap does.
//
// Attack: a client stays connected after its credential has expired
// Held by: a user JWT expires no later than the credential and the cap
func TestInvariant5Expiry(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	tests := []struct {
		name           string
		notAfter       time.Time
		cap            time.Duration
		jitter, random float64
		want           time.Time
		margin         time.Duration
	}{
		{"no expiry and no cap", time.Time{}, 0, 0.5, 0.9, time.Time{}, 0},
		{"credential only", at(time.Hour), 0, 0.5, 0.9, at(time.Hour), 0},
		{"cap only", time.Time{}, time.Hour, 0, 0.9, at(time.Hour), 0},
		{"credential first, no jitter", at(time.Minute), time.Hour, 0.5, 0.9, at(time.Minute), 0},
		{"cap first", at(2 * time.Hour), time.Hour, 0, 0.9, at(time.Hour), 0},
		{"both at the same time", at(time.Hour), time.Hour, 0, 0.9, at(time.Hour), 0},
		{"cap with jitter", time.Time{}, 10 * time.Hour, 0.1, 0.5, at(10*time.Hour - 30*time.Minute), 0},
		{"cap with jitter, random value zero", time.Time{}, 10 * time.Hour, 0.1, 0, at(10 * time.Hour), 0},
		{"cap with jitter before the credential", at(11 * time.Hour), 10 * time.Hour, 0.1, 0.5, at(10*time.Hour - 30*time.Minute), 0},
		{"a negative cap means no cap", at(time.Hour), -time.Second, 0.5, 0.9, at(time.Hour), 0},
		{"margin before the credential", at(time.Hour), 0, 0, 0.9, at(50 * time.Minute), 10 * time.Minute},
		{"margin with jitter", at(time.Hour), 0, 0.5, 0.5, at(47*time.Minute + 30*time.Second), 10 * time.Minute},
		{"margin and a later cap", at(time.Hour), 2 * time.Hour, 0.5, 0, at(50 * time.Minute), 10 * time.Minute},
		{"margin and an earlier cap", at(time.Hour), 30 * time.Minute, 0.5, 0, at(30 * time.Minute), 10 * time.Minute},
		{"less left than the margin", at(time.Minute), 0, 0, 0, at(time.Minute), 10 * time.Minute},
		{"as much left as the margin", at(10 * time.Minute), 0, 0, 0, at(10 * time.Minute), 10 * time.Minute},
		{"as much left as the margin with jitter", at(15 * time.Minute), 0, 0.5, 1, at(15 * time.Minute), 10 * time.Minute},
		{"margin without an end", time.Time{}, time.Hour, 0, 0, at(time.Hour), 10 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newIssuer(func(c *issuer.Config) {
				c.MaxLifetime, c.Jitter, c.Random, c.RenewalMargin = tt.cap, tt.jitter, func() float64 { return tt.random }, tt.margin
			})
			if got := i.Expiry(tt.notAfter); !got.Equal(tt.want) {
				t.Errorf("Expiry is %v, want %v", got, tt.want)
			}
			s, to, g := signer(t), recipient(t), grant()
			g.NotAfter = tt.notAfter
			response, expires, err := i.Issue(t.Context(), issuer.SingleIssuer(s), to, identity.Identity{Name: "pia"}, g)
			must(t, err)
			uc := decodeUser(t, decodeResponse(t, response, s, to))
			if tt.want.IsZero() {
				if uc.Expires != 0 || !expires.IsZero() {
					t.Errorf("expires %d, reported %v", uc.Expires, expires)
				}
				return
			}
			if uc.Expires != tt.want.Unix() || time.Unix(uc.Expires, 0).After(tt.want) {
				t.Errorf("expires %v, want %v rounded down", time.Unix(uc.Expires, 0), tt.want)
			}
			if !expires.Equal(time.Unix(uc.Expires, 0)) {
				t.Errorf("reported %v, the user JWT has %v", expires, time.Unix(uc.Expires, 0))
			}
		})
	}
}

func TestExpiredCredential(t *testing.T) {
	tests := []struct {
		left time.Duration
		ok   bool
	}{
		{-time.Hour, false},
		{0, false},
		{499 * time.Millisecond, false}, // within the current second
		{500 * time.Millisecond, true},
		{time.Second, true},
	}
	for _, tt := range tests {
		g := grant()
		g.NotAfter = noon.Add(tt.left)
		response, _, err := newIssuer(nil).Issue(t.Context(), issuer.SingleIssuer(signer(t)), recipient(t), identity.Identity{Name: "pia"}, g)
		if tt.ok && err != nil || !tt.ok && !errors.Is(err, issuer.ErrCredentialExpired) {
			t.Errorf("%v left: got %v", tt.left, err)
		}
		if !tt.ok && response != nil {
			t.Errorf("%v left: got a response", tt.left)
		}
	}
}

// A grant is checked again when it is minted, whatever derived it.
//
// Attack: a bug in the derivation of grants grants too much
// Held by: every grant is checked again when it is minted
func TestInvariantsAtIssue(t *testing.T) {
	corrupt := map[string]func(*permissions.Grant){
		"no account":          func(g *permissions.Grant) { g.Account = "" },
		"the callout account": func(g *permissions.Grant) { g.Account = "AUTH" },
		"the system account":  func(g *permissions.Grant) { g.Account = "SYS" },
		"an open side":        func(g *permissions.Grant) { g.Rules = g.Rules[:2] },
		"no rules":            func(g *permissions.Grant) { g.Rules = nil },
		"the callout subject": func(g *permissions.Grant) { g.Rules[0].Subject = ">" },
		"an invalid subject":  func(g *permissions.Grant) { g.Rules[0].Subject = "a b" },
	}
	for name, f := range corrupt {
		g := grant()
		f(g)
		response, _, err := newIssuer(nil).Issue(t.Context(), issuer.SingleIssuer(signer(t)), recipient(t), identity.Identity{Name: "pia"}, g)
		if !errors.Is(err, permissions.ErrInvariant) || response != nil {
			t.Errorf("%s: got %q, %v", name, response, err)
		}
	}
}

// failingSigner is a signer whose key cannot be reached.
type failingSigner struct{ issuer.Signer }

var errUnreachable = errors.New("unreachable")

func (failingSigner) Sign(context.Context, []byte) ([]byte, error) { return nil, errUnreachable }

func TestSignerFails(t *testing.T) {
	s, to := failingSigner{signer(t)}, recipient(t)
	if response, _, err := newIssuer(nil).Issue(t.Context(), issuer.SingleIssuer(s), to, identity.Identity{}, grant()); !errors.Is(err, errUnreachable) || response != nil {
		t.Errorf("got %q, %v", response, err)
	}
	if response, err := newIssuer(nil).Deny(t.Context(), issuer.SingleIssuer(s), to, "denied"); !errors.Is(err, errUnreachable) || response != nil {
		t.Errorf("got %q, %v", response, err)
	}
}

// A request without a valid user key gets no response.
func TestBadRecipient(t *testing.T) {
	good := recipient(t)
	for _, to := range []issuer.Recipient{{ServerID: good.ServerID}, {UserNkey: good.ServerID, ServerID: good.ServerID}, {UserNkey: "U", ServerID: good.ServerID}} {
		if response, _, err := newIssuer(nil).Issue(t.Context(), issuer.SingleIssuer(signer(t)), to, identity.Identity{}, grant()); err == nil {
			t.Errorf("user key %q: got %q", to.UserNkey, response)
		}
	}
	if response, err := newIssuer(nil).Deny(t.Context(), issuer.SingleIssuer(signer(t)), issuer.Recipient{ServerID: good.ServerID}, "denied"); err == nil {
		t.Errorf("no user key: got the denial %q", response)
	}
}
