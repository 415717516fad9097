package callout_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/health"
	"usher/tokens/nkey"
)

// countedBackend is a verifier of tokens "web:…" that counts its calls.
type countedBackend struct{ calls int }

func (*countedBackend) Name() string { return "backend" }

func (b *countedBackend) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if len(c.Token()) < 4 || c.Token()[:4] != "web:" {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	b.calls++
	id := identity.Identity{
		ID: c.Token()[4:], Authority: "github", Method: identity.MethodOIDC,
		Attributes: identity.Attributes{"claims": map[string]any{"sid": "s-1", "iat": float64(1000)}},
	}
	return id, nil
}

// What is banned is denied, and nothing else.
func TestBans(t *testing.T) {
	t.Parallel()
	signer := newNKeyClient(t)
	der := []byte("a certificate")
	chain := [][]string{{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}}
	key := &tokens.Credential{AuthToken: "k", Host: "192.0.2.7", Connection: standard, VerifiedChains: chain}
	mqtt := &tokens.Credential{User: "any", Password: "k", Host: "192.0.2.7", Connection: identity.Connection{Types: []string{"MQTT"}, MQTTClientID: "pia:till"}}
	signed := &tokens.Credential{NKey: signer.public, Nonce: "n", Signature: signer.sign(t, "n"), Host: "192.0.2.7", Connection: standard}
	web := &tokens.Credential{AuthToken: "web:both", User: "project=shop", Host: "192.0.2.7", Connection: standard}
	mapped := &tokens.Credential{AuthToken: "web:user:pia", Host: "192.0.2.7", Connection: standard}
	for name, tt := range map[string]struct {
		bans   string
		c      *tokens.Credential
		banned bool
		early  bool // before a backend is asked
	}{
		"nobody":                 {"user: ada", key, false, false},
		"the user":               {"user: pia", key, true, false},
		"the user, with an nkey": {"user: pia", signed, true, false},
		"the user, mapped":       {"user: pia", mapped, true, false},
		"the key":                {"user: pia, key: laptop", key, true, false},
		"the key over MQTT":      {"user: pia, key: laptop", mqtt, true, false},
		"another key":            {"user: pia, key: laptop", signed, false, false},
		"the nkey":               {"user: pia, key: desk", signed, true, false},
		"the digest":             {"digest: KEY(k)", key, true, true},
		"the digest of the nkey": {"digest: KEY(" + signer.public + ")", signed, true, true},
		"the certificate beside": {fmt.Sprintf("digest: 'sha256:%x'", sha256.Sum256(der)), key, true, true},
		"another digest":         {"digest: KEY(l)", key, false, false},
		"a token":                {"digest: KEY(web:both)", web, true, true},
		"the network":            {"network: 192.0.2.0/24", web, true, true},
		"the address":            {"network: 192.0.2.7/32", key, true, true},
		"another network":        {"network: 198.51.100.0/24", web, false, false},
		"the client id":          {"mqtt_client_id: 'pia:till'", mqtt, true, true},
		"another client id":      {"mqtt_client_id: 'pia:tills'", mqtt, false, false},
		"no client id":           {"mqtt_client_id: 'pia:till'", key, false, false},
		"in the account":         {"mqtt_client_id: 'pia:till', account: APP", mqtt, true, true},
		"in another account":     {"mqtt_client_id: 'pia:till', account: OTHER", mqtt, false, false},
		"the identity":           {"authority: github, identity_id: both", web, true, false},
		"another identity":       {"authority: github, identity_id: other", web, false, false},
		"another authority":      {"authority: gitlab, identity_id: both", web, false, false},
		"the session":            {"authority: github, session_id: s-1", web, true, false},
		"another session":        {"authority: github, session_id: s-2", web, false, false},
		"tokens from before":     {"authority: github, identity_id: both, issued_before: 2000-01-01T00:00:00Z", web, true, false},
		"a token from later":     {"authority: github, identity_id: both, issued_before: 1970-01-01T00:10:00Z", web, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := fmt.Sprintf(`
users:
  - {name: pia, keys: [{id: laptop, digest: KEY(k)}], nkeys: [{id: desk, nkey: %s}]}
  - {name: ada}
  - {name: publisher}
projects:
  - {name: shop, account: APP, members: [{user: pia, roles: [publisher]}], topics: [{name: orders, acl: [pia]}]}
bans:
  - {id: b-1, reason: "too loud", until: 2100-01-01T00:00:00Z, %s}
  - {id: b-2, reason: "it has ended", until: 2020-01-01T00:00:00Z, network: 192.0.0.0/16}
`, signer.public, tt.bans)
			current := callouttest.ParseDirectory(t, callouttest.WithDigests(text))
			none := callouttest.ParseDirectory(t, callouttest.WithDigests(text[:strings.Index(text, "bans:")]))
			load := func() *snapshot.Snapshot { return current }
			b := &countedBackend{}
			now := time.Now
			d := &callout.Decider{
				Chain: tokens.Chain{b, nkey.NewVerifier(load, now), apikey.NewVerifier(load, now)}, Snapshot: load, Now: now,
				Ruleset: callout.FixedRuleset(callouttest.Policy(), identityRules(t)),
			}
			c := *tt.c
			got := d.Decide(t.Context(), &c)
			if banned := got.Code == tokens.CodeBanned; banned != tt.banned || banned != (got.Outcome == callout.Denied) {
				t.Fatalf("%s %s: %s", got.Outcome, got.Code, got.Cause)
			}
			if want := "ban b-1 until 2100-01-01T00:00:00Z: too loud"; tt.banned && got.Cause != want {
				t.Errorf("cause %q", got.Cause)
			}
			if tt.early && b.calls > 0 {
				t.Error("the backend was asked")
			}
			d.Snapshot = func() *snapshot.Snapshot { return none }
			c = *tt.c
			granted := d.Decide(t.Context(), &c)
			s := &session.Session{
				Identity: granted.Identity, Verifier: granted.Verifier, Rules: granted.Rules, Grant: granted.Grant,
				Addr: netip.MustParseAddr("192.0.2.7"), Digest: c.DigestToKeep(&granted.Identity),
			}
			if granted.Outcome != callout.Granted {
				t.Fatalf("without bans: %s %s", granted.Code, granted.Cause)
			}
			if name != "the certificate beside" {
				if again := d.Reconsider(t.Context(), s, current); (again.Code == tokens.CodeBanned) != tt.banned {
					t.Errorf("the session: %s %s", again.Code, again.Cause)
				}
			}
		})
	}
}

// usher's own health check is not bannable.
func TestHealthCheckIsNotBanned(t *testing.T) {
	t.Parallel()
	keyring := newTestEnv(t, true).service.Keyring
	token, err := health.New(t.Context(), keyring().Signers()[0], rand.Reader, time.Now())
	callouttest.Must(t, err)
	current := callouttest.ParseDirectory(t, "users: []\nbans: [{network: 192.0.2.0/24, reason: r, until: 2100-01-01T00:00:00Z}]\n")
	d := &callout.Decider{
		Chain: tokens.Chain{health.NewVerifier(keyring, time.Now)}, Now: time.Now,
		Snapshot: func() *snapshot.Snapshot { return current }, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil),
	}
	for token, want := range map[string]string{token: callout.CodeGranted, health.Prefix + "x": health.CodeInvalid, "x": tokens.CodeBanned} {
		if got := d.Decide(t.Context(), &tokens.Credential{AuthToken: token, Host: "192.0.2.7", Connection: standard}); got.Code != want {
			t.Errorf("%s %s, want %s", got.Code, got.Cause, want)
		}
	}
}

// Only digests of what nobody can guess are kept.
func TestDigestToKeep(t *testing.T) {
	c := tokens.Credential{User: "pia", Password: "hunter2"}
	for m, kept := range map[identity.Method]bool{
		identity.MethodPassword: false, identity.MethodWebhook: false, identity.MethodAnonymous: false, identity.MethodHealthCheck: false,
		identity.MethodAPIKey: true, identity.MethodOIDC: true,
	} {
		if d := c.DigestToKeep(&identity.Identity{Method: m}); (d != [32]byte{}) != kept {
			t.Errorf("%s: %v", m, d)
		}
	}
	if c.Digest() == [32]byte{} {
		t.Error("no digest to look up")
	}
}

// Every spelling of a JWT that verifies has the same digest, and another JWT has another one.
//
// Attack: a client whose JWT is banned by its digest spells it in another way
// Held by: the digest is of the signed part, in its strict spelling
func TestDigestOfJWT(t *testing.T) {
	const header, claims = "eyJhbGciOiJFUzI1NiJ9", "eyJzdWIiOiJwIn0"
	of := func(m identity.Method, text string) [32]byte {
		c := tokens.Credential{AuthToken: text, NATSJWT: text}
		return c.DigestToKeep(&identity.Identity{Method: m})
	}
	for m, signed := range map[identity.Method]string{identity.MethodOIDC: header + "." + claims, identity.MethodKubernetes: header + "." + claims, identity.MethodNATSJWT: claims} {
		for _, text := range []string{header + "." + claims + ".AAAA", header + "." + claims + ".BBBB", header + "." + claims + ".AAAA\n", header + "." + claims[:len(claims)-1] + "1.AAAA", header + ".\n" + claims + "=.AAAA"} {
			if of(m, text) != directory.DigestOf(signed) {
				t.Errorf("%s: %q has another digest", m, text)
			}
		}
		if of(m, header+".e30.AAAA") == directory.DigestOf(signed) {
			t.Errorf("%s: another JWT has the same digest", m)
		}
	}
	for _, text := range []string{"a.b.c", header + "." + claims, header + "." + claims + ".A.B"} {
		if of(identity.MethodOIDC, text) != directory.DigestOf(text) {
			t.Errorf("%s: not the digest of the text", text)
		}
	}
	c := tokens.Credential{Password: header + "." + claims + ".BBBB", Connection: standard}
	current := callouttest.ParseDirectory(t, "users: []\nbans: [{digest: \""+directory.DigestOf(header+"."+claims).String()+"\", reason: r, until: 2100-01-01T00:00:00Z}]\n")
	if err := tokens.CheckPresented(current, &c, identity.Identity{}, time.Now); err == nil {
		t.Error("another spelling is not banned")
	}
}
