package issuer

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// encodeInput is the input of the encoder, as types that the fuzzer can generate.
type encodeInput struct {
	name, account                string
	pub, sub, denyPub, denySub   string // one subject each; empty: none
	tag, connection, denial, net string
	expires                      int64
	issuerAccount                string // operator mode
	scoped                       bool
}

func (e *encodeInput) grant() *permissions.Grant {
	g := &permissions.Grant{Account: e.account}
	if e.scoped {
		g.Scope = "publisher"
	}
	for _, r := range []permissions.Rule{
		{Side: permissions.Publish, Effect: permissions.Allow, Subject: e.pub},
		{Side: permissions.Publish, Effect: permissions.Allow, Subject: e.pub + ".>"},
		{Side: permissions.Publish, Effect: permissions.Deny, Subject: e.denyPub},
		{Side: permissions.Subscribe, Effect: permissions.Allow, Subject: e.sub},
		{Side: permissions.Subscribe, Effect: permissions.Deny, Subject: e.denySub},
		{Side: permissions.Subscribe, Effect: permissions.Deny, Subject: e.denySub + "*"},
	} {
		if r.Subject != "" {
			g.Rules = append(g.Rules, r)
		}
	}
	if e.tag != "" {
		g.Tags = []string{e.tag, "role:" + e.tag}
	}
	if e.connection != "" {
		g.ConnectionTypes = []directory.ConnectionType{directory.ConnectionType(e.connection), "MQTT"}
	}
	if p, err := netip.ParsePrefix(e.net); err == nil {
		g.Networks = []netip.Prefix{p, netip.MustParsePrefix("2001:db8::/32")}
	}
	return g
}

// claims returns the same claims as jwt/v2 represents them.
func (e *encodeInput) claims(nkey string, g *permissions.Grant) *jwt.UserClaims {
	uc := jwt.NewUserClaims(nkey)
	uc.Name, uc.Audience, uc.Expires = e.name, g.Account, e.expires
	uc.Tags, uc.IssuerAccount = g.Tags, e.issuerAccount
	if e.scoped {
		uc.SetScoped(true)
		return uc
	}
	uc.Pub.Allow, uc.Pub.Deny = g.Subjects(permissions.Publish, permissions.Allow), g.Subjects(permissions.Publish, permissions.Deny)
	uc.Sub.Allow, uc.Sub.Deny = g.Subjects(permissions.Subscribe, permissions.Allow), g.Subjects(permissions.Subscribe, permissions.Deny)
	for _, n := range g.Networks {
		uc.Src = append(uc.Src, n.String())
	}
	for _, t := range g.ConnectionTypes {
		uc.AllowedConnectionTypes = append(uc.AllowedConnectionTypes, string(t))
	}
	return uc
}

// FuzzEncode checks that both kinds of claims are byte for byte what jwt/v2 encodes,
// so that nats-server decodes them in the same way. ed25519 is deterministic, so the
// signatures are compared, too.
func FuzzEncode(f *testing.F) {
	add := func(e encodeInput) {
		f.Add(e.name, e.account, e.pub, e.sub, e.denyPub, e.denySub, e.tag, e.connection, e.denial, e.net, e.expires, e.issuerAccount, e.scoped)
	}
	add(encodeInput{})
	add(encodeInput{name: "pia", account: "APP", pub: "shop.orders", sub: "_INBOX_pia.>", denyPub: ">", tag: "project:shop", connection: "WEBSOCKET", denial: "denied, request 1", net: "10.0.0.0/8", expires: 4102444800})
	add(encodeInput{name: "\"\\/<>&\x7f\b\f\n\r\t\x00", account: "\u2028\u2029é\U0001F600", pub: "a<b", sub: "a&b", denial: "\xff\xc3", tag: "\"", connection: "\\"})
	add(encodeInput{name: "pia", tag: "project:shop", issuerAccount: "AAAA", scoped: true})
	add(encodeInput{name: "a>", account: ">", denySub: "$SYS.>", expires: -1})
	kp, s := account(f)
	nkey, server := publicKey(f, nkeys.CreateUser), publicKey(f, nkeys.CreateServer)
	f.Fuzz(func(t *testing.T, name, account, pub, sub, denyPub, denySub, tag, connection, denial, net string, expires int64, issuerAccount string, scoped bool) {
		e := encodeInput{name, account, pub, sub, denyPub, denySub, tag, connection, denial, net, expires, issuerAccount, scoped}
		g := e.grant()
		uc := e.claims(nkey, g)
		user, err := uc.Encode(kp)
		if err != nil {
			t.Fatal(err)
		}
		got, err := encode(t.Context(), s, &claimsData{
			audience: g.Account, expires: e.expires, issuedAt: uc.IssuedAt, issuer: s.PublicKey(), name: e.name, subject: nkey,
		}, func(b []byte) []byte { return appendUser(b, g, e.issuerAccount) })
		if err != nil || string(got) != user {
			t.Fatalf("user JWT %v\n got %s\nwant %s", err, got, user)
		}
		for _, r := range []jwt.AuthorizationResponse{{Jwt: user, IssuerAccount: e.issuerAccount}, {Error: e.denial, IssuerAccount: e.issuerAccount}} {
			rc := jwt.NewAuthorizationResponseClaims(nkey)
			rc.Audience, rc.AuthorizationResponse = server, r
			want, err := rc.Encode(kp)
			if err != nil {
				t.Fatal(err)
			}
			i := New(Config{Now: func() time.Time { return time.Unix(rc.IssuedAt, 0) }})
			got, err := i.respond(t.Context(), &Signers{response: s, callout: e.issuerAccount}, Recipient{UserNkey: nkey, ServerID: server}, []byte(r.Jwt), r.Error)
			if err != nil || string(got) != want {
				t.Fatalf("response %v\n got %s\nwant %s", err, got, want)
			}
		}
	})
}

// Issue encodes the same claims as FuzzEncode, and nothing else.
func TestIssueEncodes(t *testing.T) {
	kp, s := account(t)
	e := encodeInput{name: "pia", account: "APP", pub: "shop", sub: "a", denySub: "b", tag: "x", connection: "STANDARD", net: "10.0.0.0/8"}
	g := e.grant()
	g.NotAfter, g.Connection = time.Now().Add(time.Hour), identity.Connection{Types: []string{"STANDARD"}}
	e.expires = g.NotAfter.Unix()
	to := Recipient{UserNkey: publicKey(t, nkeys.CreateUser), ServerID: publicKey(t, nkeys.CreateServer)}
	uc := e.claims(to.UserNkey, g)
	user, err := uc.Encode(kp)
	if err != nil {
		t.Fatal(err)
	}
	i := New(Config{Policy: &permissions.Policy{}, Now: func() time.Time { return time.Unix(uc.IssuedAt, 0) }})
	response, _, err := i.Issue(t.Context(), SingleIssuer(s), to, identity.Identity{Name: e.name}, g)
	if err != nil {
		t.Fatal(err)
	}
	rc, err := jwt.DecodeAuthorizationResponseClaims(string(response))
	if err != nil || rc.Jwt != user {
		t.Errorf("got %v %s\nwant %s", err, rc.Jwt, user)
	}
}

// Concurrent calls do not share a buffer.
func TestEncodeConcurrently(t *testing.T) {
	_, s := account(t)
	nkey := publicKey(t, nkeys.CreateUser)
	done := make(chan bool)
	names := []string{"a", "bb", "ccc", "dddd"}
	for _, name := range names {
		go func() {
			ok := true
			for range 200 {
				g := &permissions.Grant{Tags: slices.Repeat([]string{name}, 50)}
				got, err := encode(t.Context(), s, &claimsData{issuer: s.PublicKey(), name: name, subject: nkey}, func(b []byte) []byte { return appendUser(b, g, "") })
				if err != nil {
					ok = false
					break
				}
				uc, err := jwt.DecodeUserClaims(string(got))
				ok = ok && err == nil && uc.Name == name && slices.Equal(uc.Tags, g.Tags)
			}
			done <- ok
		}()
	}
	for range names {
		if !<-done {
			t.Error("a JWT is invalid or has the claims of another")
		}
	}
}

// account returns a new account key and its Signer.
func account(tb testing.TB) (nkeys.KeyPair, Signer) {
	tb.Helper()
	kp, err := nkeys.CreateAccount()
	if err != nil {
		tb.Fatal(err)
	}
	seed, err := kp.Seed()
	if err != nil {
		tb.Fatal(err)
	}
	s, err := NewSigner(seed)
	if err != nil {
		tb.Fatal(err)
	}
	return kp, s
}

func publicKey(tb testing.TB, create func() (nkeys.KeyPair, error)) string {
	tb.Helper()
	kp, err := create()
	if err != nil {
		tb.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		tb.Fatal(err)
	}
	return public
}
