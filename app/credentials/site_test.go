package credentials_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"

	"usher/app/config"
	"usher/app/server"
	"usher/callout/callouttest"
	"usher/internal/secretfile"
	"usher/tokens/automate/automatetest"
)

// The modes of nats-server, as the tables name them.
const (
	configMode   = "config mode"
	operatorMode = "operator mode"
)

// siteConfig says what differs between two sites.
type siteConfig struct {
	mode        string
	sealed, tls bool // requests are sealed; every client needs a certificate
}

// site is an installation with every kind of credential: a nats-server and an usher.
type site struct {
	siteConfig
	dir                 string
	url, ws, mqtt, leaf string
	admin               *nats.Conn // in APP, without auth callout
	operator            *callouttest.Operator
	ca                  *callouttest.CA          // nil: no TLS
	nobody              *callouttest.Certificate // names nobody
	log                 callouttest.Buffer

	corp, cluster, reviewed *signer
	opaque, dead, reviewer  *endpoint
	chef                    *automatetest.Automate
	hook, others            *endpoint // others gets what no other verifier knows
	nkeySeed, leafSeed      string
	jwt, leafJWT, gone      userJWT
	bearer, goneBearer      userJWT
}

// userJWT is the NATS user JWT of a client.
type userJWT struct{ public, text, creds string }

// userPassword is the password of alice, and of the user password-leaf.
const userPassword = "correct-horse"

func startSite(t *testing.T, cfg siteConfig) *site {
	t.Helper()
	s := &site{siteConfig: cfg, dir: t.TempDir()}
	if cfg.tls {
		s.ca = callouttest.NewCA(t)
		s.nobody = s.ca.Certificate(t, nil)
	}
	s.corp = newSigner(t, "https://id.example", "at+jwt")
	s.cluster = newSigner(t, "https://kubernetes.example", "")
	s.reviewed = newSigner(t, "https://reviewed.example", "")
	s.opaque, s.dead, s.hook, s.others = newIntrospection(t), newDead(t), newHook(t), newHook(t)
	s.chef = newAutomate(t)
	s.reviewer = newReviewer(t, filepath.Join(s.dir, "reviewer.pem"))
	var nkey, leafNKey string
	s.nkeySeed, nkey = callouttest.NewSeed(t, nkeys.PrefixByteUser)
	s.leafSeed, leafNKey = callouttest.NewSeed(t, nkeys.PrefixByteUser)
	hash, err := bcrypt.GenerateFromPassword([]byte(userPassword), bcrypt.MinCost)
	callouttest.Must(t, err)
	s.write(t, "directory.yaml", callouttest.WithDigests(fmt.Sprintf(directoryText, nkey, hash, leafNKey, hash)))

	connection := s.startNATS(t)
	s.write(t, "reviewer.token", "usher")
	s.write(t, "webhook.secret", strings.Repeat("not-a-secret-of-anybody-", 2))
	keys := newEndpoint(t, func(*http.Request) any { return json.RawMessage(s.corp.keySet(t)) })
	s.write(t, "cluster.json", string(s.cluster.keySet(t)))
	sentinel, err := jwt.DecodeUserClaims(s.operator.SentinelJWT)
	callouttest.Must(t, err)
	signing, err := s.operator.SigningKey.PublicKey()
	callouttest.Must(t, err)
	text := connection + strings.NewReplacer(
		"KEYS", keys.URL, "OPAQUE", s.opaque.URL, "DEAD", s.dead.URL, "REVIEWER", s.reviewer.URL, "HOOK", s.hook.URL, "CHEF", s.chef.Config("chef", ", prefix: "+chefPrefix+", calls: {timeout: 5s}"), "OTHERS", s.others.URL,
		"OPERATOR", signing, "JWTS", s.operator.JWTDir, "SENTINEL", sentinel.Subject, "LEAF_JWT", s.leafJWT.public,
	).Replace(credentialsText)
	s.write(t, "usher.yaml", text)
	s.startUsher(t)
	return s
}

// startNATS starts the nats-server, and returns the sections of usher.yaml about it.
func (s *site) startNATS(t *testing.T) string {
	t.Helper()
	var section string
	operator := callouttest.OperatorConfig{Sealed: s.sealed, TLS: s.ca, Verify: s.siteConfig.tls, Cookies: true, Timeout: 10}
	s.operator = callouttest.NewOperator(t, operator)
	s.createUserJWTs(t)
	if s.mode == operatorMode {
		s.operator.Start(t)
		srv := s.operator.Servers[0]
		s.url, s.ws, s.mqtt, s.leaf, s.admin = srv.URL(), srv.WebSocketURL(), srv.MQTTURL(), srv.LeafAddr(), s.operator.ConnectAdmin(t)
		section = fmt.Sprintf("mode: operator, creds_file: %q", s.operator.ServiceCreds)
		section = fmt.Sprintf(natsText, section, s.url, s.ownTLS(t), s.operator.Keyring)
	} else {
		keys := callouttest.NewKeys(t)
		_, nonce := callouttest.NewSeed(t, nkeys.PrefixByteUser)
		srv := callouttest.StartServer(t, callouttest.ServerConfig{
			Keys: keys, Sealed: s.sealed, TLS: s.ca, Verify: s.siteConfig.tls, Cookies: true, NKey: nonce, Timeout: 10,
		})
		s.url, s.ws, s.mqtt, s.leaf, s.admin = srv.URL(), srv.WebSocketURL(), srv.MQTTURL(), srv.LeafAddr(), srv.Connect(t, callouttest.AdminUser)
		s.write(t, "password", callouttest.Password)
		section = fmt.Sprintf("user: %s, password_file: password", callouttest.ServiceUser)
		section = fmt.Sprintf(natsText, section, s.url, s.ownTLS(t), callouttest.KeyringDir(t, s.sealed, keys))
	}
	return section
}

// ownTLS is the TLS of usher's own connections.
func (s *site) ownTLS(t *testing.T) string {
	t.Helper()
	if s.ca == nil {
		return ""
	}
	cert, key := s.ca.Issue(t, "usher")
	return fmt.Sprintf(", tls: {ca_file: %q, cert_file: %q, key_file: %q}", s.ca.File, cert, key)
}

// createUserJWTs creates users of the callout account, about whom nats-server asks usher. Its
// account JWT in usher's directory revokes some of them, which the server does not know.
func (s *site) createUserJWTs(t *testing.T) {
	t.Helper()
	create := func(name string, bearer bool) userJWT {
		seed, public := callouttest.NewSeed(t, nkeys.PrefixByteUser)
		c := jwt.NewUserClaims(public)
		c.Name, c.BearerToken = name, bearer
		text, err := c.Encode(s.operator.Identity[callouttest.CalloutAccount])
		callouttest.Must(t, err)
		content, err := jwt.FormatUserConfig(text, []byte(seed))
		callouttest.Must(t, err)
		s.write(t, name+".creds", string(content))
		return userJWT{public, text, filepath.Join(s.dir, name+".creds")}
	}
	s.jwt, s.leafJWT, s.gone = create("own", false), create("leaf", false), create("gone", false)
	s.bearer, s.goneBearer = create("bearer", true), create("gone-bearer", true)
	account := s.operator.ReadAccount(t, callouttest.CalloutAccount)
	account.Revoke(s.gone.public)
	account.Revoke(s.goneBearer.public)
	s.operator.WriteAccount(t, callouttest.CalloutAccount, account)
}

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	callouttest.Must(t, secretfile.Write(filepath.Join(s.dir, name), []byte(text)))
}

// startUsher starts usher as usher serve does. It stops when the test ends.
func (s *site) startUsher(t *testing.T) {
	t.Helper()
	cfg, err := config.Load(filepath.Join(s.dir, "usher.yaml"))
	callouttest.Must(t, err)
	srv, err := server.New(cfg, &s.log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, func() { close(started) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v", err)
		}
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	select {
	case <-started:
	case err := <-ended:
		ended <- err
		t.Fatalf("usher ended: %v", err)
	}
	callouttest.Eventually(t, "usher is ready", func() bool { return srv.Ready() == nil })
}

// events returns the audit so far.
func (s *site) events(t *testing.T) []callouttest.Event {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "audit.jsonl"))
	callouttest.Must(t, err)
	text = text[:bytes.LastIndexByte(text, '\n')+1] // the last line may not be complete
	var all []callouttest.Event
	for line := range bytes.Lines(text) {
		var e callouttest.Event
		callouttest.Must(t, json.Unmarshal(line, &e))
		if e.Text("kind") != "checkpoint" { // a signature of the lines before it
			all = append(all, e)
		}
	}
	return all
}

// waitEvents waits until the audit has n events.
func (s *site) waitEvents(t *testing.T, n int) []callouttest.Event {
	t.Helper()
	var all []callouttest.Event
	callouttest.Eventually(t, "an audit event", func() bool {
		all = s.events(t)
		return len(all) >= n
	})
	return all
}
