package credentials_test

import (
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens/apikey"
	"usher/tokens/automate"
	"usher/tokens/introspection"
	"usher/tokens/kubernetes"
	"usher/tokens/natsjwt"
	"usher/tokens/nkey"
	"usher/tokens/oidc"
	"usher/tokens/password"
	"usher/tokens/webhook"
	tokenx509 "usher/tokens/x509"
)

// kind is a kind of credential.
type kind struct {
	name   string
	method identity.Method
	tls    bool // clients need TLS
	good   func(t *testing.T, s *site) presented
	leaf   func(t *testing.T, s *site) presented // of somebody who may connect leaf nodes
	bad    func(t *testing.T, s *site) presented
	code   string          // of bad
	except map[string]cell // what is not granted, by transport, or by mode and transport
}

// cell says what becomes of a good credential of a kind in a mode over a transport: it is
// granted unless one of these is set.
type cell struct {
	code string // it is denied with this code
	not  string // why it cannot be presented
}

func (k *kind) cell(mode, over string) cell {
	if c, ok := k.except[mode+", "+over]; ok {
		return c
	}
	return k.except[over]
}

func kinds() []kind {
	return []kind{
		{
			name: "API key", method: identity.MethodAPIKey,
			good: token("alice-key"), leaf: token("leaf-key"), bad: newAPIKey, code: apikey.CodeUnknown,
		},
		{
			name: "JWT of an OpenID Connect provider", method: identity.MethodOIDC,
			good: jwtOf("erin", time.Hour), leaf: jwtOf("leaf", time.Hour), bad: jwtOf("erin", -time.Minute), code: oidc.CodeExpired,
		},
		{
			name: "service account of Kubernetes, by its keys", method: identity.MethodKubernetes,
			good: podToken("web", audience), leaf: podToken("leaf", audience), bad: podToken("web", "https://kubernetes.example"), code: oidc.CodeAudience,
		},
		{
			name: "service account of Kubernetes, by TokenReview", method: identity.MethodKubernetes,
			good: reviewedToken("web"), leaf: reviewedToken("leaf"), bad: reviewedToken(refused), code: kubernetes.CodeRejected,
		},
		{
			name: "opaque token, by introspection", method: identity.MethodIntrospection,
			good: token(opaquePrefix + "erin"), leaf: token(opaquePrefix + "leaf"), bad: token(opaquePrefix + refused), code: introspection.CodeInactive,
		},
		{
			name: "token of Chef Automate, by its services", method: identity.MethodAutomate,
			good: token(chefPrefix + "erin"), leaf: token(chefPrefix + "leaf"), bad: token(chefPrefix + refused), code: automate.CodeRejected,
		},
		{
			name: "whatever an endpoint of yours knows (webhook)", method: identity.MethodWebhook,
			good: token(hookPrefix + "erin"), leaf: token(hookPrefix + "leaf"), bad: token(hookPrefix + refused), code: webhook.CodeDenied,
		},
		{
			name: "password", method: identity.MethodPassword,
			good: userPasswordOf("alice", userPassword), leaf: userPasswordOf("leaf", userPassword), bad: userPasswordOf("alice", "wrong-horse"), code: password.CodeWrong,
		},
		{
			name: "nkey", method: identity.MethodNKey,
			good: func(_ *testing.T, s *site) presented { return presented{nkey: s.nkeySeed} },
			leaf: func(_ *testing.T, s *site) presented { return presented{nkey: s.leafSeed} },
			bad:  newNKey, code: nkey.CodeUnknown,
			except: map[string]cell{
				inCookie: {not: "a browser signs the nonce in CONNECT, not in a cookie"},
				overMQTT: {not: "MQTT has no nonce to sign"},
			},
		},
		{
			name: "NATS user JWT", method: identity.MethodNATSJWT,
			good: func(_ *testing.T, s *site) presented { return presented{creds: s.jwt.creds, jwt: s.bearer.text} },
			leaf: func(_ *testing.T, s *site) presented { return presented{creds: s.leafJWT.creds} },
			bad:  func(_ *testing.T, s *site) presented { return presented{creds: s.gone.creds, jwt: s.goneBearer.text} },
			code: natsjwt.CodeRevoked,
			except: map[string]cell{ // in config mode nats-server does not pass the JWT on, but for the password of an MQTT client
				configMode + ", " + overTCP:       {code: callout.CodeNoCredential},
				configMode + ", " + overWebSocket: {code: callout.CodeNoCredential},
				configMode + ", " + inCookie:      {not: "`jwt_cookie` needs operator mode"},
				configMode + ", " + asLeaf:        {code: callout.CodeNoCredential},
			},
		},
		{
			name: "client certificate", method: identity.MethodCertificate, tls: true,
			good: certificate("web.example.org"), leaf: certificate("leaf.example.org"), bad: certificate("*.example.org"), code: tokenx509.CodeSAN,
			except: map[string]cell{inCookie: {not: "it is presented in the TLS handshake"}},
		},
		{
			name: "nothing (anonymous)", method: identity.MethodAnonymous,
			good: token(""), leaf: token(""),
			except: map[string]cell{
				inCookie: {not: "there is nothing to put into one"},
				asLeaf:   {code: callout.CodeLeafNode}, // the rules of identities give roles to it, and no user
			},
		},
	}
}

func token(text string) func(*testing.T, *site) presented {
	return func(*testing.T, *site) presented { return presented{token: text} }
}

// newAPIKey presents a key in usher's own form that is in no directory.
func newAPIKey(t *testing.T, _ *site) presented {
	t.Helper()
	key, err := apikey.New(rand.Reader)
	callouttest.Must(t, err)
	return presented{token: key}
}

func userPasswordOf(user, text string) func(*testing.T, *site) presented {
	return func(*testing.T, *site) presented { return presented{user: user, password: text} }
}

func certificate(name string) func(*testing.T, *site) presented {
	return func(t *testing.T, s *site) presented {
		t.Helper()
		return presented{certificate: s.ca.Certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{name} })}
	}
}

func jwtOf(subject string, ends time.Duration) func(*testing.T, *site) presented {
	return func(t *testing.T, s *site) presented {
		t.Helper()
		return presented{token: s.corp.token(t, subject, ends, nil)}
	}
}

func podToken(name, aud string) func(*testing.T, *site) presented {
	return func(t *testing.T, s *site) presented {
		t.Helper()
		return presented{token: s.cluster.podToken(t, name, aud)}
	}
}

func reviewedToken(name string) func(*testing.T, *site) presented {
	return func(t *testing.T, s *site) presented {
		t.Helper()
		return presented{token: s.reviewed.podToken(t, name, audience)}
	}
}

// newNKey presents an nkey that is in no directory.
func newNKey(t *testing.T, _ *site) presented {
	t.Helper()
	seed, _ := callouttest.NewSeed(t, nkeys.PrefixByteUser)
	return presented{nkey: seed}
}
