package claims

import (
	"encoding/base64"
	"slices"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/tokens"
)

// The token and the selection of a credential, in the fields in which nats-server
// passes it on.
func TestCredential(t *testing.T) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	sentinel, err := jwt.NewUserClaims(public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	bearer := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256"}`)) + ".e30.x"
	for _, c := range []struct {
		name           string
		opts           jwt.ConnectOptions
		token, project string
	}{
		{"default sentinel, or sentinel creds", jwt.ConnectOptions{JWT: sentinel, Token: "t"}, "t", ""},
		{"sentinel and a user name", jwt.ConnectOptions{JWT: sentinel, Username: "project=shop", Password: "t"}, "t", "shop"},
		{"MQTT, default sentinel", jwt.ConnectOptions{JWT: sentinel, Username: "project=shop", Password: "t", Token: "t"}, "t", "shop"},
		{"MQTT, sentinel as password", jwt.ConnectOptions{JWT: sentinel, Username: "t", Password: sentinel, Token: sentinel}, "t", ""},
		{"sentinel as password, and a selection", jwt.ConnectOptions{JWT: sentinel, Username: "project=shop", Password: sentinel, Token: sentinel}, "", "shop"},
		{"sentinel as password, and a token", jwt.ConnectOptions{JWT: sentinel, Password: sentinel, Token: "t"}, "t", ""},
		{"sentinel only", jwt.ConnectOptions{JWT: sentinel}, "", ""},
		{"bearer token as password", jwt.ConnectOptions{JWT: sentinel, Username: "u", Password: "eyJ.other", Token: "eyJ.other"}, "eyJ.other", ""},
		{"MQTT, before 2.12.6", jwt.ConnectOptions{JWT: "usher_key", Username: "u", Password: "usher_key", Token: "usher_key"}, "usher_key", ""},
		{"MQTT, before 2.12.6, and a project", jwt.ConnectOptions{JWT: "usher_key", Username: "project=shop", Password: "usher_key", Token: "usher_key"}, "usher_key", "shop"},
		{"MQTT, before 2.12.6, a bearer token", jwt.ConnectOptions{JWT: bearer, Username: "u", Password: bearer, Token: bearer}, bearer, ""},
		{"no sentinel", jwt.ConnectOptions{Username: "u", Password: "t"}, "t", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims := jwt.NewAuthorizationRequestClaims("A")
			claims.ConnectOptions = c.opts
			credential := Credential(claims)
			if token := credential.Token(); token != c.token {
				t.Errorf("token %q, expected %q", token, c.token)
			}
			selection, err := credential.Selection()
			if err != nil || selection.Project != c.project {
				t.Errorf("selection %v, %v, expected project %q", selection, err, c.project)
			}
		})
	}
}

// What a request says about client and server, for verifiers that ask others.
func TestCredentialFacts(t *testing.T) {
	claims := jwt.NewAuthorizationRequestClaims("A")
	claims.ConnectOptions = jwt.ConnectOptions{Name: "sensor", Lang: "go", Version: "1.55.0"}
	claims.ClientInformation = jwt.ClientInformation{Kind: "Client", Type: "mqtt", MQTT: "pia:phone"}
	claims.Server = jwt.ServerID{Name: "n1", ID: "N1", Cluster: "east", Tags: jwt.TagList{"az:1"}, XKey: "X1"}
	c := Credential(claims)
	if want := (tokens.Client{Name: "sensor", Lang: "go", Version: "1.55.0", Kind: "Client", Type: "mqtt"}); c.Client != want {
		t.Errorf("client %+v", c.Client)
	}
	if c.Server.Name != "n1" || c.Server.ID != "N1" || c.Server.Cluster != "east" || !slices.Equal(c.Server.Tags, []string{"az:1"}) {
		t.Errorf("server %+v", c.Server)
	}
	if c.Connection.MQTTClientID != "pia:phone" {
		t.Errorf("connection %+v", c.Connection)
	}
}

// The connection types of a client. No grant allows an unknown type.
func TestConnectionOf(t *testing.T) {
	for _, c := range []struct {
		info jwt.ClientInformation
		want []string
		id   string
	}{
		{jwt.ClientInformation{Kind: "Client", Type: "nats", MQTT: "x"}, []string{"STANDARD", "IN_PROCESS"}, ""},
		{jwt.ClientInformation{Kind: "Client", Type: "websocket"}, []string{"WEBSOCKET"}, ""},
		{jwt.ClientInformation{Kind: "Client", Type: "mqtt", MQTT: "pia:phone"}, []string{"MQTT", "MQTT_WS"}, "pia:phone"},
		{jwt.ClientInformation{Kind: "Leafnode"}, []string{"LEAFNODE", "LEAFNODE_WS"}, ""},
		{jwt.ClientInformation{Kind: "Leafnode", Type: "nats"}, []string{"LEAFNODE", "LEAFNODE_WS"}, ""},
		{jwt.ClientInformation{Kind: "Router"}, []string{`a connection of kind "Router"`}, ""},
		{jwt.ClientInformation{Kind: "client", Type: "nats"}, []string{`a connection of kind "client"`}, ""},
		{jwt.ClientInformation{Type: "nats"}, []string{`a connection of kind ""`}, ""},
		{jwt.ClientInformation{Kind: "Client"}, []string{`a connection of type ""`}, ""},
		{jwt.ClientInformation{Kind: "Client", Type: "STANDARD"}, []string{`a connection of type "STANDARD"`}, ""},
	} {
		if got := connectionOf(&c.info); !slices.Equal(got.Types, c.want) || got.MQTTClientID != c.id {
			t.Errorf("%+v: got %+v", c.info, got)
		}
	}
}
