package callout_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// matrixClient is a connected client.
type matrixClient interface {
	publish(t *testing.T, subject string)
	account(t *testing.T) string // as the server names it
	close()
}

// errRefused: the server refused the client.
var errRefused = errors.New("refused")

// transport connects with a token, and with the sentinel's creds if the deployment has
// them. The error of connect is errRefused.
type transport struct {
	name    string
	refused string // a subject to which the user of near-key may not publish
	connect func(t *testing.T, s *deployment, token string) (matrixClient, error)
}

func transports() []transport {
	return []transport{
		{"TCP", "shop.returns", dialTCP},
		{"WebSocket", "shop.returns", dialWebSocket},
		{"MQTT", "shop.returns", dialMQTT},
		{"leaf node", "other.returns", dialLeaf},
	}
}

// NATS clients send the sentinel's user JWT, a signature, and the token.

type natsClient struct {
	*nats.Conn
	s *deployment
}

func dialTCP(t *testing.T, s *deployment, token string) (matrixClient, error) {
	t.Helper()
	return dial(t, s, s.url, token)
}

func dialWebSocket(t *testing.T, s *deployment, token string) (matrixClient, error) {
	t.Helper()
	return dial(t, s, s.ws, token)
}

func dial(t *testing.T, s *deployment, url, token string) (matrixClient, error) {
	t.Helper()
	opts := []nats.Option{nats.Token(token), nats.Timeout(testTimeout), ignoreErrors()}
	if s.creds != "" {
		opts = append(opts, nats.UserCredentials(s.creds))
	}
	nc, err := nats.Connect(url, opts...)
	if err != nil { // over WebSocket the error can be that of a write to a closed connection
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return natsClient{nc, s}, nil
}

func (v natsClient) publish(t *testing.T, subject string) {
	t.Helper()
	callouttest.Must(t, v.Publish(subject, nil))
	callouttest.Must(t, v.FlushTimeout(testTimeout))
}

func (v natsClient) account(t *testing.T) string {
	t.Helper()
	cid, err := v.GetClientID()
	callouttest.Must(t, err)
	return v.s.connection(t, server.ConnzOptions{CID: cid, Username: true})
}

func (v natsClient) close() { v.Close() }

func (s *deployment) connection(t *testing.T, which server.ConnzOptions) string {
	t.Helper()
	conns := s.connections(t, which)
	if len(conns) != 1 {
		t.Fatalf("the server has %d matching connections", len(conns))
	}
	return conns[0].Account
}

// MQTT has a user name and a password. The key is the password, with any user name. A
// client with the sentinel sends its user JWT as password, and the key as user name.

type mqttClientConn struct {
	mqtt.Client
	s  *deployment
	id string
}

func dialMQTT(t *testing.T, s *deployment, token string) (matrixClient, error) {
	t.Helper()
	id := strings.TrimSuffix(token, "-key") + ":of"
	user, password := "anybody", token
	if s.jwt != "" {
		user, password = token, s.jwt
	}
	client := mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker(s.mqtt).SetClientID(id).SetUsername(user).SetPassword(password).
		SetAutoReconnect(false).SetConnectTimeout(testTimeout).SetProtocolVersion(4))
	if err := waitMQTT(t, client.Connect()); err != nil {
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return mqttClientConn{client, s, id}, nil
}

func (v mqttClientConn) publish(t *testing.T, subject string) {
	t.Helper()
	callouttest.Must(t, waitMQTT(t, v.Publish(strings.ReplaceAll(subject, ".", "/"), 0, false, "")))
}

func (v mqttClientConn) account(t *testing.T) string {
	t.Helper()
	return v.s.connection(t, server.ConnzOptions{MQTTClient: v.id, Username: true})
}

func (v mqttClientConn) close() { v.Disconnect(100) }

// The remote of a leaf node can have creds, and a user and password in its URL. It sends
// both. Without a password, nats-server also copies the user name to auth_token.

type leafClient struct {
	*nats.Conn
	leaf *server.Server
	s    *deployment
}

// startLeafServer starts a nats-server that connects to the deployment as a leaf node,
// with the given user part of the URL, and the sentinel's creds if there are any.
func (s *deployment) startLeafServer(t *testing.T, name, userinfo string) *server.Server {
	t.Helper()
	creds := ""
	if userinfo != "" {
		userinfo += "@"
	}
	if s.creds != "" {
		creds = fmt.Sprintf(", credentials: %q", filepath.ToSlash(s.creds))
	}
	text := fmt.Sprintf(`
server_name: %q
listen: "127.0.0.1:%d"
leafnodes { reconnect: "600s", remotes: [{ url: "nats-leaf://%s%s", first_info_timeout: "20s"%s }] }
`, name, callouttest.FreePort(t), userinfo, s.leaf, creds)
	return callouttest.RunServerConfig(t, text)
}

// dialLeaf connects a leaf node. Only an admin of the whole account may do that, so it
// uses the token of such a user.
func dialLeaf(t *testing.T, s *deployment, token string) (matrixClient, error) {
	t.Helper()
	token = "leaf-" + token
	before := len(s.service.Settled(t))
	leaf := s.startLeafServer(t, "leaf-of-"+token, "anybody:"+token)
	var event callouttest.Event
	callouttest.Eventually(t, "usher gets the request for the leaf node", func() bool {
		events := s.service.Events(t)
		if len(events) > before {
			event = events[before]
		}
		return event != nil
	})
	if event.Text("client_kind") != "Leafnode" {
		t.Fatalf("not the request for the leaf node: %v", event)
	}
	if event.Text("outcome") != "granted" {
		return nil, errRefused
	}
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	nc, err := nats.Connect(leaf.ClientURL(), nats.Timeout(testTimeout), ignoreErrors())
	callouttest.Must(t, err)
	return leafClient{nc, leaf, s}, nil
}

func (v leafClient) publish(t *testing.T, subject string) {
	t.Helper()
	callouttest.Must(t, v.Publish(subject, nil))
	callouttest.Must(t, v.FlushTimeout(testTimeout))
}

func (v leafClient) account(t *testing.T) string {
	t.Helper()
	for _, l := range v.s.leafNodes(t) {
		if l.Name == v.leaf.Name() {
			return l.Account
		}
	}
	t.Fatalf("the server has no leaf node %q", v.leaf.Name())
	return ""
}

func (v leafClient) close() {
	v.Close()
	v.leaf.Shutdown()
	v.leaf.WaitForShutdown()
}
