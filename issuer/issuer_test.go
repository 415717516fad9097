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

// noon is on a half second, because clocks are and JWTs are not. It is ahead of
// the machine's clock: jwt/v2 validates by that one.
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

// connected is what every grant that is issued is for.
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

// open decodes a response as nats-server does and demands that nothing is wrong with it.
func open(t *testing.T, response []byte, s issuer.Signer, to issuer.Recipient) *jwt.AuthorizationResponseClaims {
	t.Helper()
	rc, err := jwt.DecodeAuthorizationResponseClaims(string(response))
	must(t, err)
	valid(t, rc)
	if rc.Issuer != s.PublicKey() || rc.Subject != to.UserNkey || rc.Audience != to.ServerID || rc.IssuerAccount != "" {
		t.Errorf("response of %s about %s for %s", rc.Issuer, rc.Subject, rc.Audience)
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

func openUser(t *testing.T, rc *jwt.AuthorizationResponseClaims) *jwt.UserClaims {
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
	response, expires, err := newIssuer(nil).Issue(t.Context(), issuer.Single(s), to, identity.Identity{Name: "pia"}, g)
	must(t, err)
	rc := open(t, response, s, to)
	if rc.Error != "" {
		t.Errorf("error %q", rc.Error)
	}
	uc := openUser(t, rc)
	if uc.Subject != to.UserNkey || uc.Issuer != s.PublicKey() || uc.IssuerAccount != "" || uc.Audience != "APP" || uc.Name != "pia" {
		t.Errorf("user JWT %+v", uc.ClaimsData)
	}
	if uc.Expires != noon.Add(time.Hour).Unix() || expires.Unix() != uc.Expires || uc.NotBefore != 0 {
		t.Errorf("from %d to %d, reported %v", uc.NotBefore, uc.Expires, expires)
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

// The connection types of the directory are those of jwt/v2.
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
	response, err := newIssuer(nil).Deny(t.Context(), issuer.Single(s), to, "denied; request id 42")
	must(t, err)
	rc := open(t, response, s, to)
	if rc.Error != "denied; request id 42" || rc.Jwt != "" {
		t.Errorf("error %q, user JWT %q", rc.Error, rc.Jwt)
	}
}

// Invariant 5: a user JWT ends no later than the credential, and no later than
// the cap; jitter shortens only what the cap decides.
//
// Attack: staying connected longer than the credential is good
// Held by: a user JWT ends no later than the credential and the cap
func TestInvariant5Expiry(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	tests := []struct {
		name           string
		notAfter       time.Time
		cap            time.Duration
		jitter, random float64
		want           time.Time
	}{
		{"neither", time.Time{}, 0, 0.5, 0.9, time.Time{}},
		{"the credential alone", at(time.Hour), 0, 0.5, 0.9, at(time.Hour)},
		{"the cap alone", time.Time{}, time.Hour, 0, 0.9, at(time.Hour)},
		{"the credential ends first, so there is no jitter", at(time.Minute), time.Hour, 0.5, 0.9, at(time.Minute)},
		{"the cap ends first", at(2 * time.Hour), time.Hour, 0, 0.9, at(time.Hour)},
		{"both at once", at(time.Hour), time.Hour, 0, 0.9, at(time.Hour)},
		{"the cap with jitter", time.Time{}, 10 * time.Hour, 0.1, 0.5, at(10*time.Hour - 30*time.Minute)},
		{"the cap with jitter, luckily", time.Time{}, 10 * time.Hour, 0.1, 0, at(10 * time.Hour)},
		{"the cap before a late credential, with jitter", at(11 * time.Hour), 10 * time.Hour, 0.1, 0.5, at(10*time.Hour - 30*time.Minute)},
		{"a negative cap is none", at(time.Hour), -time.Second, 0.5, 0.9, at(time.Hour)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newIssuer(func(c *issuer.Config) {
				c.MaxLifetime, c.Jitter, c.Random = tt.cap, tt.jitter, func() float64 { return tt.random }
			})
			if got := i.Expiry(tt.notAfter); !got.Equal(tt.want) {
				t.Errorf("ends %v, want %v", got, tt.want)
			}
			s, to, g := signer(t), recipient(t), grant()
			g.NotAfter = tt.notAfter
			response, expires, err := i.Issue(t.Context(), issuer.Single(s), to, identity.Identity{Name: "pia"}, g)
			must(t, err)
			uc := openUser(t, open(t, response, s, to))
			if tt.want.IsZero() {
				if uc.Expires != 0 || !expires.IsZero() {
					t.Errorf("ends %d, reported %v", uc.Expires, expires)
				}
				return
			}
			if uc.Expires != tt.want.Unix() || time.Unix(uc.Expires, 0).After(tt.want) {
				t.Errorf("ends %v, want %v rounded down", time.Unix(uc.Expires, 0), tt.want)
			}
			if !expires.Equal(time.Unix(uc.Expires, 0)) {
				t.Errorf("reported %v, and the user JWT says %v", expires, time.Unix(uc.Expires, 0))
			}
		})
	}
}

func TestLapsed(t *testing.T) {
	tests := []struct {
		left time.Duration
		ok   bool
	}{
		{-time.Hour, false},
		{0, false},
		{499 * time.Millisecond, false}, // within the second that has begun
		{500 * time.Millisecond, true},
		{time.Second, true},
	}
	for _, tt := range tests {
		g := grant()
		g.NotAfter = noon.Add(tt.left)
		response, _, err := newIssuer(nil).Issue(t.Context(), issuer.Single(signer(t)), recipient(t), identity.Identity{Name: "pia"}, g)
		if tt.ok && err != nil || !tt.ok && !errors.Is(err, issuer.ErrLapsed) {
			t.Errorf("%v left: got %v", tt.left, err)
		}
		if !tt.ok && response != nil {
			t.Errorf("%v left: there is a response", tt.left)
		}
	}
}

// Whatever derived a grant, it is checked again where it is minted.
//
// Attack: a fault in deriving grants gets past
// Held by: every grant is checked again where it is minted
func TestInvariantsAtIssue(t *testing.T) {
	spoil := map[string]func(*permissions.Grant){
		"no account":               func(g *permissions.Grant) { g.Account = "" },
		"the callout account":      func(g *permissions.Grant) { g.Account = "AUTH" },
		"the system account":       func(g *permissions.Grant) { g.Account = "SYS" },
		"an open side":             func(g *permissions.Grant) { g.Rules = g.Rules[:2] },
		"no rules":                 func(g *permissions.Grant) { g.Rules = nil },
		"the auth subject":         func(g *permissions.Grant) { g.Rules[0].Subject = ">" },
		"a rule that is a subject": func(g *permissions.Grant) { g.Rules[0].Subject = "a b" },
	}
	for name, f := range spoil {
		g := grant()
		f(g)
		response, _, err := newIssuer(nil).Issue(t.Context(), issuer.Single(signer(t)), recipient(t), identity.Identity{Name: "pia"}, g)
		if !errors.Is(err, permissions.ErrInvariant) || response != nil {
			t.Errorf("%s: got %q, %v", name, response, err)
		}
	}
}

// brokenSigner stands for a signer that is away.
type brokenSigner struct{ issuer.Signer }

var errAway = errors.New("away")

func (brokenSigner) Sign(context.Context, []byte) ([]byte, error) { return nil, errAway }

func TestSignerFails(t *testing.T) {
	s, to := brokenSigner{signer(t)}, recipient(t)
	if response, _, err := newIssuer(nil).Issue(t.Context(), issuer.Single(s), to, identity.Identity{}, grant()); !errors.Is(err, errAway) || response != nil {
		t.Errorf("got %q, %v", response, err)
	}
	if response, err := newIssuer(nil).Deny(t.Context(), issuer.Single(s), to, "denied"); !errors.Is(err, errAway) || response != nil {
		t.Errorf("got %q, %v", response, err)
	}
}

// A recipient that is no nkey gets nothing.
func TestBadRecipient(t *testing.T) {
	good := recipient(t)
	for _, to := range []issuer.Recipient{{ServerID: good.ServerID}, {UserNkey: good.ServerID, ServerID: good.ServerID}, {UserNkey: "U", ServerID: good.ServerID}} {
		if response, _, err := newIssuer(nil).Issue(t.Context(), issuer.Single(signer(t)), to, identity.Identity{}, grant()); err == nil {
			t.Errorf("%q got %q", to.UserNkey, response)
		}
	}
	if response, err := newIssuer(nil).Deny(t.Context(), issuer.Single(signer(t)), issuer.Recipient{ServerID: good.ServerID}, "denied"); err == nil {
		t.Errorf("nobody got the denial %q", response)
	}
}
