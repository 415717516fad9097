package callout_test

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"

	"usher/callout"
	"usher/callout/callouttest"
)

// impostor poses as a nats-server. It has the keys of a server, and a connection on
// which it may publish authorization requests.
type impostor struct {
	t       *testing.T
	nc      *nats.Conn
	key     nkeys.KeyPair // nkey of a server
	curve   nkeys.KeyPair // xkey of a server
	service callouttest.Keys
	sealed  bool
	clients uint64 // number of requests so far
}

// claims returns the claims of a valid request.
func (i *impostor) claims() *jwt.AuthorizationRequestClaims {
	i.t.Helper()
	user, err := nkeys.CreateUser()
	callouttest.Must(i.t, err)
	c := jwt.NewAuthorizationRequestClaims(i.service.Issuer)
	c.Audience = "nats-authorization-request"
	c.UserNkey = public(i.t, user)
	c.Expires = time.Now().Add(time.Minute).Unix()
	c.Server = jwt.ServerID{Name: "impostor", ID: public(i.t, i.key)}
	if i.sealed {
		c.Server.XKey = public(i.t, i.curve)
	}
	c.ClientInformation.Host, c.ClientInformation.Kind, c.ClientInformation.Type = "127.0.0.1", "Client", "nats"
	c.ConnectOptions.Token = "publisher-key"
	return c
}

// message returns the message of a JWT, sealed if requests are sealed.
func (i *impostor) message(token string) *nats.Msg {
	i.t.Helper()
	m := i.raw([]byte(token))
	if i.sealed {
		m.Data = i.seal(m.Data, i.service.XKey)
		m.Header.Set("Nats-Server-Xkey", public(i.t, i.curve))
	}
	return m
}

func (i *impostor) raw(data []byte) *nats.Msg {
	return &nats.Msg{Subject: callout.Subject, Reply: i.nc.NewInbox(), Data: data, Header: nats.Header{}}
}

func (i *impostor) seal(data []byte, to string) []byte {
	i.t.Helper()
	out, err := i.curve.Seal(data, to)
	callouttest.Must(i.t, err)
	return out
}

func (i *impostor) signed(c jwt.Claims) string {
	i.t.Helper()
	token, err := c.Encode(i.key)
	callouttest.Must(i.t, err)
	return token
}

// with returns a valid request with changed claims.
func (i *impostor) with(change func(*jwt.AuthorizationRequestClaims)) *nats.Msg {
	i.t.Helper()
	c := i.claims()
	change(c)
	return i.message(i.signed(c))
}

func public(t *testing.T, kp nkeys.KeyPair) string {
	t.Helper()
	p, err := kp.PublicKey()
	callouttest.Must(t, err)
	return p
}

// newImpostor returns an environment and an impostor. The impostor is connected as the
// service user to a second server of the cluster, which has no auth_callout.
func newImpostor(t *testing.T, sealed bool) (testEnv, *impostor) {
	t.Helper()
	return newImpostorWith(t, sealed, callouttest.ServiceConfig{})
}

// newImpostorWith is newImpostor with a service configuration.
func newImpostorWith(t *testing.T, sealed bool, cfg callouttest.ServiceConfig) (testEnv, *impostor) {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed, Cluster: true})
	second := callouttest.StartServer(t, callouttest.ServerConfig{
		Name: "no-callout", Keys: keys, Cluster: true, NoCallout: true, Routes: []string{srv.RouteURL()},
	})
	cfg.URLs, cfg.Keyring = srv.URL(), callouttest.KeyringDir(t, sealed, keys)
	cfg.Directory = callouttest.WithDigests(callouttest.DirectoryYAML)
	service := callouttest.StartService(t, cfg)
	waitInterest(t, second)
	key, err := nkeys.CreateServer()
	callouttest.Must(t, err)
	curve, err := nkeys.CreateCurveKeys()
	callouttest.Must(t, err)
	nc := second.Connect(t, callouttest.ServiceUser)
	return testEnv{t, srv, service, keys}, &impostor{t: t, nc: nc, key: key, curve: curve, service: keys, sealed: sealed}
}

type badInput struct {
	name     string
	msg      *nats.Msg
	outcome  callout.Outcome
	code     string
	answered bool
}

// Attack: a request that no server signed, or that is altered, expired, for another audience, or not sealed although an xkey is configured
// Held by: usher checks signature, server id, audience, expiry, and the xkey in header and claims; it does not answer a request that fails
func TestBadInput(t *testing.T) {
	t.Parallel() // mostly waits
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			s, i := newImpostor(t, sealed)
			cases := append(i.unreadable(), i.wrongClaims()...)
			if sealed {
				cases = append(cases, i.wrongSeals()...)
			}
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { s.sendBadInput(t, i, c) })
			}
			s.connect(t, "publisher-key", nats.IgnoreDiscoveredServers())
		})
	}
}

// sendBadInput sends one message and checks its outcome.
func (s testEnv) sendBadInput(t *testing.T, i *impostor, c badInput) {
	t.Helper()
	before := len(s.service.Settled(t))
	counted := requests(t, s.service.Registry, c.outcome, c.code)
	var answers *nats.Subscription
	if c.msg.Reply != "" {
		var err error
		answers, err = i.nc.SubscribeSync(c.msg.Reply)
		callouttest.Must(t, err)
		defer answers.Unsubscribe() //nolint:errcheck // the connection ends with the test
	}
	callouttest.Must(t, i.nc.PublishMsg(c.msg))
	callouttest.Must(t, i.nc.FlushTimeout(testTimeout))
	var events []callouttest.Event
	callouttest.Eventually(t, "the message is in the audit", func() bool {
		events = s.service.Events(t)
		return len(events) > before
	})
	e := latest(events)
	if e.Text("outcome") != string(c.outcome) || e.Text("code") != c.code {
		t.Errorf("%s, %s (%s); want %s, %s", e.Text("outcome"), e.Text("code"), e.Text("cause"), c.outcome, c.code)
	}
	if n := requests(t, s.service.Registry, c.outcome, c.code); n != counted+1 {
		t.Errorf("counter: %v before, %v after", counted, n)
	}
	if answers == nil {
		return
	}
	// The event is written after the answer has been sent.
	wait := 20 * time.Millisecond
	if c.answered {
		wait = testTimeout
	}
	if _, err := answers.NextMsg(wait); (err == nil) != c.answered {
		t.Errorf("answer: %v, want one: %v", err, c.answered)
	}
}

// requests returns the value of usher_requests_total for an outcome and a code.
func requests(t *testing.T, reg prometheus.Gatherer, outcome callout.Outcome, code string) float64 {
	t.Helper()
	families, err := reg.Gather()
	callouttest.Must(t, err)
	for _, f := range families {
		if f.GetName() != "usher_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if slices.Contains(values, code) && slices.Contains(values, string(outcome)) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no counter for %s, %s", outcome, code)
	return 0
}

// unreadable returns messages that are not JWTs of a server.
func (i *impostor) unreadable() []badInput {
	noise := make([]byte, 1<<20-512) // max_payload counts the header too
	_, _ = rand.Read(noise)
	account, err := nkeys.CreateAccount()
	callouttest.Must(i.t, err)
	userToken, err := jwt.NewUserClaims(i.claims().UserNkey).Encode(account)
	callouttest.Must(i.t, err)
	good := i.signed(i.claims())
	parts := strings.Split(good, ".")
	forged := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
	altered := i.claims()
	altered.ConnectOptions.Token = "sadmin-key"
	swapped := parts[0] + "." + strings.Split(i.signed(altered), ".")[1] + "." + parts[2]
	byAccount := i.claims()
	byAccountToken := encodeUnchecked(i.t, byAccount, account)
	bad := func(name string, m *nats.Msg) badInput {
		return badInput{name: name, msg: m, outcome: callout.Malformed, code: callout.CodeNotARequest}
	}
	return []badInput{
		bad("empty", i.raw(nil)),
		bad("one byte", i.raw([]byte("e"))),
		bad("too short to be sealed", i.raw([]byte("xkv1"))),
		bad("not a JWT", i.raw([]byte("hello"))),
		bad("not a JWT, sealed if requests are", i.message("hello")),
		bad("empty, sealed if requests are", i.message("")),
		bad("half a JWT", i.message(good[:len(good)/2])),
		bad("JWT without a signature", i.message(parts[0]+"."+parts[1]+".")),
		bad("wrong signature", i.message(forged)),
		bad("claims replaced under a signature", i.message(swapped)),
		bad("JWT of another type", i.message(userToken)),
		bad("JWT of another type, signed by a server", i.message(encodeUnchecked(i.t, jwt.NewGenericClaims("x"), i.key))),
		bad("signed by an account", i.message(byAccountToken)),
		bad("a million bytes of noise", i.raw(noise)),
		bad("a million bytes that start like a JWT", i.message("eyJ"+strings.Repeat("A", 1<<20-1024))),
		bad("deeply nested JSON", i.message(deeplyNestedJWT())),
	}
}

// wrongClaims returns requests with wrong claims that a server has signed.
func (i *impostor) wrongClaims() []badInput {
	other, err := nkeys.CreateServer()
	callouttest.Must(i.t, err)
	otherIssuer := callouttest.NewKeys(i.t)
	noReply := i.with(func(*jwt.AuthorizationRequestClaims) {})
	noReply.Reply = ""
	malformed := callout.Malformed
	return []badInput{
		{
			name: "the issuer is not the server", outcome: malformed, code: callout.CodeServerID,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.Server.ID = public(i.t, other) }),
		},
		{
			name: "wrong audience", outcome: malformed, code: callout.CodeAudience,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.Audience = "somebody" }),
		},
		{
			name: "expired", outcome: callout.Shed, code: callout.CodeRequestExpired,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.Expires = time.Now().Add(-time.Minute).Unix() }),
		},
		{
			name: "never expires", outcome: callout.Shed, code: callout.CodeRequestExpired,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.Expires = 0 }),
		},
		{
			name: "not valid yet", outcome: malformed, code: callout.CodeNotARequest,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.NotBefore = time.Now().Add(time.Hour).Unix() }),
		},
		{
			name: "the user nkey is an account nkey", outcome: malformed, code: callout.CodeUserNkey,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.UserNkey = otherIssuer.Issuer }),
		},
		{
			name: "no user nkey", outcome: malformed, code: callout.CodeUserNkey,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.UserNkey = "" }),
		},
		{
			name: "unknown issuer", outcome: callout.Unavailable, code: callout.CodeIssuerUnknown,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.Subject = otherIssuer.Issuer }),
		},
		{name: "no reply subject", outcome: malformed, code: callout.CodeNoReply, msg: noReply},
		{name: "xkey in the claims and not in the header", outcome: malformed, code: map[bool]string{
			false: callout.CodeXKeyMismatch, true: callout.CodePlaintext,
		}[i.sealed], msg: i.raw([]byte(i.signed(i.claimsWithXKey())))},
		{
			name: "unknown key", outcome: callout.Denied, code: "key_unknown", answered: true,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.ConnectOptions.Token = "unknown-key" }),
		},
		{
			name: "valid", outcome: callout.Granted, code: callout.CodeGranted, answered: true,
			msg: i.with(func(*jwt.AuthorizationRequestClaims) {}),
		},
	}
}

func (i *impostor) claimsWithXKey() *jwt.AuthorizationRequestClaims {
	i.t.Helper()
	c := i.claims()
	c.Server.XKey = public(i.t, i.curve)
	return c
}

// wrongSeals returns requests that are sealed wrongly, or not sealed.
func (i *impostor) wrongSeals() []badInput {
	token := i.signed(i.claims())
	other, err := nkeys.CreateCurveKeys()
	callouttest.Must(i.t, err)
	noClaim := i.claims()
	noClaim.Server.XKey = ""
	otherRecipient := i.raw(i.seal([]byte(token), public(i.t, other)))
	otherRecipient.Header.Set("Nats-Server-Xkey", public(i.t, i.curve))
	swapped := i.raw(i.seal([]byte(token), i.service.XKey))
	swapped.Header.Set("Nats-Server-Xkey", public(i.t, other))
	noHeader := i.raw(i.seal([]byte(token), i.service.XKey))
	badHeader := i.message(token)
	badHeader.Header.Set("Nats-Server-Xkey", "XNOTAKEY")
	modified := i.message(token)
	modified.Data = bytes.Clone(modified.Data)
	modified.Data[len(modified.Data)-1] ^= 1
	twice := i.message(string(i.seal([]byte(token), i.service.XKey)))
	return []badInput{
		{name: "half a JWT, not sealed", msg: i.raw([]byte(token[:20])), outcome: callout.Malformed, code: callout.CodePlaintext},
		{name: "deeply nested JSON, not sealed", msg: i.raw([]byte(deeplyNestedJWT())), outcome: callout.Malformed, code: callout.CodePlaintext},
		{name: "not sealed, and an xkey is configured", msg: i.raw([]byte(token)), outcome: callout.Malformed, code: callout.CodePlaintext},
		{name: "sealed to another key", msg: otherRecipient, outcome: callout.Unavailable, code: callout.CodeXKeyUnknown},
		{name: "sealed by another key", msg: swapped, outcome: callout.Unavailable, code: callout.CodeXKeyUnknown},
		{name: "modified after sealing", msg: modified, outcome: callout.Unavailable, code: callout.CodeXKeyUnknown},
		{name: "header missing", msg: noHeader, outcome: callout.Malformed, code: callout.CodeNotARequest},
		{name: "header is not a key", msg: badHeader, outcome: callout.Malformed, code: callout.CodeNotARequest},
		{name: "sealed twice", msg: twice, outcome: callout.Malformed, code: callout.CodeNotARequest},
		{
			name: "xkeys in header and claims differ", outcome: callout.Malformed, code: callout.CodeXKeyMismatch,
			msg: i.with(func(c *jwt.AuthorizationRequestClaims) { c.Server.XKey = public(i.t, other) }),
		},
		{name: "no xkey in the claims", outcome: callout.Malformed, code: callout.CodeXKeyMismatch, msg: i.message(i.signed(noClaim))},
	}
}
