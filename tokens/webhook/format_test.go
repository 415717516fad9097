package webhook_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/webhook"
)

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// operation returns the operation of the OpenAPI document, which is valid.
func operation(t *testing.T) *openapi3.Operation {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../docs/reference/webhook-openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	return doc.Webhooks["verify"].Post
}

func matches(s *openapi3.SchemaRef, text string) error {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	return s.Value.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation())
}

// full returns a credential about which everything is known.
func full(t *testing.T) *tokens.Credential {
	t.Helper()
	ca := callouttest.NewCA(t)
	certFile, _ := ca.Issue(t, "phone")
	leaf, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	return &tokens.Credential{
		AuthToken: "sess_a", User: "project=shop", RequestID: "request-1",
		NATSJWT: "sentinel", Nonce: "nonce", NKey: "UAAA", Signature: "signature",
		Host:           "192.0.2.7",
		Connection:     identity.Connection{Types: []string{"MQTT"}, MQTTClientID: "alice:phone"},
		Client:         tokens.Client{Name: "sensor", Lang: "go", Version: "1.55.0", Kind: "Client", Type: "mqtt"},
		Server:         tokens.Server{Name: "n1", ID: "N1", Cluster: "east", Tags: []string{"az:1"}},
		VerifiedChains: [][]string{{string(leaf), string(root)}},
	}
}

// Requests have the facts that are configured and no others, and match the document.
func TestRequest(t *testing.T) {
	schema := operation(t).RequestBody.Value.Content["application/json"].Schema
	client := map[string]any{
		"host": "192.0.2.7", "name": "sensor", "lang": "go", "version": "1.55.0", "kind": "Client", "type": "mqtt", "mqtt_client_id": "alice:phone",
	}
	server := map[string]any{"name": "n1", "id": "N1", "cluster": "east", "tags": []any{"az:1"}}
	for _, tt := range []struct {
		facts []webhook.Fact
		want  map[string]any // besides what every request has
	}{
		{nil, map[string]any{}},
		{[]webhook.Fact{webhook.FactClient}, map[string]any{"client": client}},
		{[]webhook.Fact{webhook.FactServer}, map[string]any{"server": server}},
		{[]webhook.Fact{webhook.FactSelection}, map[string]any{"selection": map[string]any{"project": "shop"}}},
	} {
		e := newEndpoint(t, map[string]reply{})
		_, _ = e.verifier(t, func(c *webhook.Config) { c.Facts = tt.facts }).Verify(t.Context(), full(t))
		_, body := e.last(t)
		tt.want["version"], tt.want["call_id"], tt.want["request_id"], tt.want["authority"] = 1.0, "call-1", "request-1", "sso"
		tt.want["credential"] = map[string]any{"kind": "token", "token": "sess_a"}
		if got := decode(t, body); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v: %s", tt.facts, body)
		}
		if err := matches(schema, string(body)); err != nil {
			t.Errorf("%v: %v", tt.facts, err)
		}
	}
	for _, fact := range []webhook.Fact{webhook.FactTLS, webhook.FactTLSChain} {
		e := newEndpoint(t, map[string]reply{})
		c := full(t)
		_, _ = e.verifier(t, func(c *webhook.Config) { c.Facts = []webhook.Fact{fact} }).Verify(t.Context(), c)
		_, body := e.last(t)
		facts := decode(t, body)["tls"].(map[string]any)
		if facts["subject"] != "CN=phone" || !reflect.DeepEqual(facts["dns_names"], []any{"localhost", "phone"}) {
			t.Errorf("%s: %s", fact, body)
		}
		if chain, _ := facts["chain"].([]any); fact == webhook.FactTLS && facts["chain"] != nil ||
			fact == webhook.FactTLSChain && (len(chain) != 2 || chain[0] != c.VerifiedChains[0][0]) {
			t.Errorf("%s: chain %v", fact, facts["chain"])
		}
		if err := matches(schema, string(body)); err != nil {
			t.Errorf("%s: %v", fact, err)
		}
	}
	e := newEndpoint(t, map[string]reply{})
	_, _ = e.verifier(t, func(c *webhook.Config) { c.Send, c.Prefix = webhook.KindUserPassword, "" }).
		Verify(t.Context(), &tokens.Credential{User: "alice,account=APP", Password: "pw"})
	if _, body := e.last(t); matches(schema, string(body)) != nil || !reflect.DeepEqual(decode(t, body)["selection"], map[string]any{"account": "APP"}) {
		t.Errorf("%s", body)
	}
	for _, bad := range []string{`{}`, `{"version":2,"call_id":"c","authority":"a","credential":{"kind":"token","token":"t"}}`} {
		if matches(schema, bad) == nil {
			t.Errorf("the document allows the request %s", bad)
		}
	}
}

// Nothing that the endpoint need not know is in a request.
//
// Attack: an endpoint learns what it could use elsewhere
// Held by: a webhook gets neither the sentinel JWT nor nonces, signatures and nkeys of a request, and certificates only if configured
func TestRequestWithoutSecrets(t *testing.T) {
	e := newEndpoint(t, map[string]reply{})
	c := full(t)
	_, _ = e.verifier(t, func(c *webhook.Config) {
		c.Facts = []webhook.Fact{webhook.FactClient, webhook.FactServer, webhook.FactTLS, webhook.FactSelection}
	}).Verify(t.Context(), c)
	header, body := e.last(t)
	text := string(body)
	for name, values := range header {
		text += name + strings.Join(values, "")
	}
	for _, hidden := range []string{c.NATSJWT, c.Nonce, c.NKey, c.Signature, "BEGIN", secret} {
		if strings.Contains(text, hidden) {
			t.Errorf("a request contains %.20q", hidden)
		}
	}
}

// Two credentials whose requests differ have an answer of their own.
//
// Attack: an answer about one client is used for another, about which the endpoint would say no
// Held by: a kept answer of a webhook is for exactly the facts that were sent
func TestOneAnswerForOneRequest(t *testing.T) {
	changes := map[string]func(*tokens.Credential){
		"nothing": func(*tokens.Credential) {}, "request id": func(c *tokens.Credential) { c.RequestID = "other" },
		"token": func(c *tokens.Credential) { c.AuthToken += "x" }, "selection": func(c *tokens.Credential) { c.User = "account=shop" },
		"host": func(c *tokens.Credential) { c.Host += "1" }, "name": func(c *tokens.Credential) { c.Client.Name += "x" },
		"lang": func(c *tokens.Credential) { c.Client.Lang += "x" }, "version": func(c *tokens.Credential) { c.Client.Version += "x" },
		"kind": func(c *tokens.Credential) { c.Client.Kind += "x" }, "type": func(c *tokens.Credential) { c.Client.Type += "x" },
		"MQTT": func(c *tokens.Credential) { c.Connection.MQTTClientID += "x" }, "server": func(c *tokens.Credential) { c.Server.Name += "x" },
		"server id": func(c *tokens.Credential) { c.Server.ID += "x" }, "cluster": func(c *tokens.Credential) { c.Server.Cluster += "x" },
		"tags": func(c *tokens.Credential) { c.Server.Tags = []string{"az:1", "az:2"} },
		"tls":  func(c *tokens.Credential) { c.VerifiedChains = nil },
		"root": func(c *tokens.Credential) { c.VerifiedChains = [][]string{c.VerifiedChains[0][:1]} },
	}
	base := full(t)
	for _, facts := range [][]webhook.Fact{nil, {webhook.FactClient}, {webhook.FactServer}, {webhook.FactTLS}, {webhook.FactTLSChain}, {webhook.FactSelection}, webhook.Facts()} {
		for name, change := range changes {
			e := newEndpoint(t, map[string]reply{})
			v := e.verifier(t, func(c *webhook.Config) { c.Facts = facts })
			other := *base
			change(&other)
			_, _ = v.Verify(t.Context(), base)
			_, first := e.last(t)
			_, _ = v.Verify(t.Context(), &other)
			calls := e.calls()
			if calls == 1 && name != "request id" {
				_, _ = e.verifier(t, func(c *webhook.Config) { c.Facts = facts }).Verify(t.Context(), &other)
				if _, second := e.last(t); string(first) != string(second) {
					t.Errorf("%v, %s: one answer for %s and %s", facts, name, first, second)
				}
			}
			if calls > 1 && (name == "nothing" || name == "request id") {
				t.Errorf("%v, %s: a second call", facts, name)
			}
		}
	}
}

func TestSignature(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	parameter := operation(t).Parameters[0].Value
	if parameter.Name != webhook.SignatureHeader {
		t.Errorf("the document names %q", parameter.Name)
	}
	user, err := nkeys.CreateUser()
	callouttest.Must(t, err)
	seed, err := user.Seed()
	callouttest.Must(t, err)
	for name, signer := range map[string]webhook.Signer{
		"v1":   webhook.NewHMAC(func() (string, error) { return secret, nil }),
		"nkey": webhook.NewNKey(func() (string, error) { return string(seed), nil }),
	} {
		e := newEndpoint(t, map[string]reply{"sess_a": {body: alice}})
		v := e.verifier(t, func(c *webhook.Config) { c.Sign, c.Now = signer, fixed(now) })
		if _, err := v.Verify(t.Context(), token("sess_a")); err != nil {
			t.Fatal(err)
		}
		header, body := e.last(t)
		text := header.Get(webhook.SignatureHeader)
		if err := parameter.Schema.Value.VisitJSON(text, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		fields := map[string]string{}
		for _, part := range strings.Split(text, ",") {
			key, value, _ := strings.Cut(part, "=")
			fields[key] = value
		}
		signed := append([]byte("1800000000."), body...)
		switch {
		case fields["t"] != "1800000000":
			t.Errorf("time %q", fields["t"])
		case name == "v1":
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(signed)
			if fields["v1"] != hex.EncodeToString(mac.Sum(nil)) {
				t.Errorf("%s", text)
			}
		default:
			signature, err := base64.RawURLEncoding.DecodeString(fields["ed25519"])
			callouttest.Must(t, err)
			key, err := nkeys.FromPublicKey(fields["nkey"])
			callouttest.Must(t, err)
			if public, _ := user.PublicKey(); public != fields["nkey"] || key.Verify(signed, signature) != nil {
				t.Errorf("%s", text)
			}
		}
		if header.Get("Content-Type") != "application/json" || header.Get("Accept") != "application/json" {
			t.Errorf("%v", header)
		}
	}
	account, err := nkeys.CreateAccount()
	callouttest.Must(t, err)
	accountSeed, err := account.Seed()
	callouttest.Must(t, err)
	if webhook.CheckSeed(string(seed)) != nil || webhook.CheckSeed(string(accountSeed)) == nil || webhook.CheckSeed("SU") == nil {
		t.Error("seeds of users only")
	}
	if webhook.CheckSecret(secret) != nil || webhook.CheckSecret(secret[1:]) == nil {
		t.Error("secrets of 32 characters or more")
	}
}

// The verifier takes exactly the answers that the document allows.
func TestAnswersOfTheDocument(t *testing.T) {
	schema := operation(t).Responses.Value("200").Value.Content["application/json"].Schema
	for text, ok := range map[string]bool{
		alice: true, `{"identity":{"id":"a"}}`: true, `{"denied":{}}`: true, `{"denied":{"reason":"x"}}`: true, `{"unknown":true}`: true,
		`{"identity":{"id":"a","cache":0,"expires":"2100-01-01T00:00:00.5+02:00","attributes":{}}}`: true,
		`{"unknown":false}`: false, `{}`: false, `{"identity":{}}`: false, `{"identity":{"id":""}}`: false, `{"identity":{"id":"a","cache":-1}}`: false,
		`{"identity":{"id":"a"},"unknown":true}`: false, `{"identity":{"id":"a","x":1}}`: false, `{"denied":true}`: false, `{"denied":{"x":1}}`: false,
		`{"identity":{"id":"a","expires":"tomorrow"}}`: false, `{"identity":{"id":"a","attributes":[]}}`: false,
	} {
		if err := matches(schema, text); (err == nil) != ok {
			t.Errorf("the document on %s: %v", text, err)
		}
		if _, err := webhook.Parse([]byte(text)); (err == nil) != ok {
			t.Errorf("usher on %s: %v", text, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, text := range []string{
		alice, `{"denied":{"reason":"no"}}`, `{"unknown":true}`, `{"identity":{"id":"a","cache":1,"expires":"2030-01-01T00:00:00Z"}}`,
		`{"identity":{"id":"a"},"identity":{"id":"b"}}`, `{"Unknown":true}`, `{}`, `[]`, `{"identity":{"id":"\u0000"}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := webhook.Parse(text)
		switch {
		case err != nil && (a.Refusal != nil || a.Identity.ID != ""):
			t.Error("an error with an answer")
		case err == nil && (a.Refusal == nil) != (a.Identity.ID != ""):
			t.Errorf("neither yes nor no: %+v", a)
		case err == nil && a.Refusal == nil && (a.Identity.Method != identity.MethodWebhook || a.Identity.Authority != "sso" || a.Identity.Name != ""):
			t.Errorf("got %+v", a.Identity)
		}
	})
}

// certificate returns a certificate in PEM form.
func certificate(t *testing.T, dns, emails []string, ips []net.IP, uris []*url.URL) string {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	callouttest.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "leaf", Organization: []string{"x,y"}},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		DNSNames: dns, EmailAddresses: emails, IPAddresses: ips, URIs: uris,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	callouttest.Must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// The facts of a certificate with every kind of name.
func TestCertificateNames(t *testing.T) {
	text := certificate(t, []string{"a.example"}, []string{"a@b.example"}, []net.IP{net.ParseIP("192.0.2.1")}, []*url.URL{{Scheme: "spiffe", Host: "td", Path: "/w"}})
	e := newEndpoint(t, map[string]reply{})
	c := token("sess_a")
	c.VerifiedChains = [][]string{{text}}
	_, _ = e.verifier(t, nil).Verify(t.Context(), c)
	_, body := e.last(t)
	got := decode(t, body)["tls"].(map[string]any)
	delete(got, "chain")
	want := map[string]any{
		"subject": "CN=leaf,O=x\\,y", "dns_names": []any{"a.example"}, "email_addresses": []any{"a@b.example"},
		"ip_addresses": []any{"192.0.2.1"}, "uris": []any{"spiffe://td/w"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{"", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		c.VerifiedChains = [][]string{{bad}}
		if _, err := e.verifier(t, nil).Verify(t.Context(), c); !contains(err, "certificate of the client") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if e.calls() != 1 {
		t.Errorf("%d calls", e.calls())
	}
}
