package credentials_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
)

// presented is what a client presents.
type presented struct {
	token          string
	user, password string
	nkey           string // seed
	creds, jwt     string // file with a NATS user JWT and its seed; a bearer JWT
	certificate    *callouttest.Certificate
}

// client is a connected client.
type client interface {
	publish(t *testing.T, subject, text string)
	close()
}

// transport is a way to connect.
type transport struct {
	name    string
	allowed string // subjects that a client may publish to, and that it may not
	denied  string
	connect func(t *testing.T, s *site, p presented) (client, error)
}

// The transports, as the tables name them.
const (
	overTCP       = "TCP"
	overWebSocket = "WebSocket"
	inCookie      = "WebSocket, in a cookie"
	overMQTT      = "MQTT"
	asLeaf        = "leaf node"
)

func transports() []transport {
	return []transport{
		{overTCP, "shop.orders", "shop.returns", dialTCP},
		{overWebSocket, "shop.orders", "shop.returns", dialWebSocket},
		{inCookie, "shop.orders", "shop.returns", dialWithCookies},
		{overMQTT, "shop.orders", "shop.returns", dialMQTT},
		{asLeaf, "shop.orders", "other.returns", dialLeaf},
	}
}

// timeout is how long clients wait. On a busy machine the defaults are too short.
const timeout = 15 * time.Second

type natsClient struct{ *nats.Conn }

func (c natsClient) publish(t *testing.T, subject, text string) {
	t.Helper()
	callouttest.Must(t, c.Publish(subject, []byte(text)))
	callouttest.Must(t, c.FlushTimeout(timeout))
}

func (c natsClient) close() { c.Close() }

func dial(s *site, url string, p presented, more ...nats.Option) (client, error) {
	opts := append(more, nats.Timeout(timeout), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if s.ca != nil {
		opts = append(opts, nats.Secure(s.tls(p)))
	}
	switch {
	case p.token != "":
		opts = append(opts, nats.Token(p.token))
	case p.user != "":
		opts = append(opts, nats.UserInfo(p.user, p.password))
	case p.creds != "":
		opts = append(opts, nats.UserCredentials(p.creds))
	case p.nkey != "":
		kp, err := nkeys.FromSeed([]byte(p.nkey))
		if err != nil {
			return nil, err
		}
		public, err := kp.PublicKey()
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Nkey(public, kp.Sign))
	}
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		return nil, err
	}
	return natsClient{nc}, nil
}

// tls is the TLS of a client that presents its certificate, or one that names nobody.
func (s *site) tls(p presented) *tls.Config {
	cfg := s.ca.ClientTLS()
	certificate := p.certificate
	if certificate == nil {
		certificate = s.nobody
	}
	cfg.Certificates = []tls.Certificate{certificate.TLS()}
	return cfg
}

func dialTCP(_ *testing.T, s *site, p presented) (client, error) { return dial(s, s.url, p) }

func dialWebSocket(_ *testing.T, s *site, p presented) (client, error) { return dial(s, s.ws, p) }

// dialWithCookies connects as a browser does whose credential is in cookies, and so in no
// CONNECT.
func dialWithCookies(_ *testing.T, s *site, p presented) (client, error) {
	request := http.Request{Header: http.Header{}}
	for name, value := range map[string]string{
		callouttest.TokenCookie: p.token, callouttest.JWTCookie: p.jwt,
		callouttest.UserCookie: p.user, callouttest.PasswordCookie: p.password,
	} {
		if value != "" {
			request.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	return dial(s, s.ws, presented{}, nats.WebSocketConnectionHeaders(request.Header))
}

type mqttClient struct{ mqtt.Client }

func (c mqttClient) publish(t *testing.T, subject, text string) {
	t.Helper()
	callouttest.Must(t, waitMQTT(t, c.Publish(strings.ReplaceAll(subject, ".", "/"), 0, false, text)))
}

func (c mqttClient) close() { c.Disconnect(100) }

func waitMQTT(t *testing.T, done mqtt.Token) error {
	t.Helper()
	if !done.WaitTimeout(2 * timeout) {
		t.Fatal("timed out waiting for the MQTT server")
	}
	return done.Error()
}

// dialMQTT presents a token or a JWT as password, as MQTT clients do.
func dialMQTT(t *testing.T, s *site, p presented) (client, error) {
	t.Helper()
	opts := mqtt.NewClientOptions().AddBroker(s.mqtt).SetClientID("any").
		SetAutoReconnect(false).SetConnectTimeout(timeout).SetProtocolVersion(4)
	switch {
	case p.token != "":
		opts.SetUsername("anybody").SetPassword(p.token)
	case p.jwt != "":
		opts.SetUsername("project=shop").SetPassword(p.jwt)
	case p.user != "":
		opts.SetUsername(p.user).SetPassword(p.password)
	}
	if s.ca != nil {
		opts.SetTLSConfig(s.tls(p))
	}
	c := mqtt.NewClient(opts)
	if err := waitMQTT(t, c.Connect()); err != nil {
		return nil, err
	}
	return mqttClient{c}, nil
}

type leafClient struct {
	natsClient
	leaf *server.Server
}

func (c leafClient) close() {
	c.natsClient.close()
	c.leaf.Shutdown()
	c.leaf.WaitForShutdown()
}

// dialLeaf starts a nats-server that connects as a leaf node, and a client of it.
func dialLeaf(t *testing.T, s *site, p presented) (client, error) {
	t.Helper()
	user, options := "", ""
	switch {
	case p.token != "":
		user = "anybody:" + p.token + "@"
	case p.user != "":
		user = p.user + ":" + p.password + "@"
	case p.creds != "":
		options = fmt.Sprintf(", credentials: %q", filepath.ToSlash(p.creds))
	case p.nkey != "":
		options = fmt.Sprintf(", nkey: %q", p.nkey)
	}
	if s.ca != nil {
		certificate := p.certificate
		if certificate == nil {
			certificate = s.nobody
		}
		cert, key := certificate.Files(t, fmt.Sprintf("leaf-%d", callouttest.FreePort(t)))
		options += fmt.Sprintf(", tls: { ca_file: %q, cert_file: %q, key_file: %q }",
			filepath.ToSlash(s.ca.File), filepath.ToSlash(cert), filepath.ToSlash(key))
	}
	before := len(s.events(t))
	leaf := callouttest.RunServerConfig(t, fmt.Sprintf(`
listen: "127.0.0.1:%d"
leafnodes { reconnect: "600s", remotes: [{ url: "nats-leaf://%s%s", first_info_timeout: "20s"%s }] }
`, callouttest.FreePort(t), user, s.leaf, options))
	events := s.waitEvents(t, before+1)
	if events[before].Text("outcome") != "granted" {
		leaf.Shutdown()
		leaf.WaitForShutdown()
		return nil, fmt.Errorf("refused: %s", events[before].Text("code"))
	}
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	nc, err := nats.Connect(leaf.ClientURL(), nats.Timeout(timeout), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	callouttest.Must(t, err)
	return leafClient{natsClient{nc}, leaf}, nil
}
