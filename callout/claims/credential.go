package claims

import (
	"strconv"

	"github.com/nats-io/jwt/v2"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/form"
)

// Credential returns the credential that the client presented.
//
// A NATS user JWT is not a token: in operator mode it is the sentinel, which many
// clients share. MQTT has no field for a JWT, so an MQTT client sends the sentinel as
// its password. nats-server copies the password to auth_token, and to jwt. Of such a
// credential only the user name counts.
//
// Before 2.12.6 nats-server copies every MQTT password to jwt, so a password is a
// sentinel only if it is a NATS JWT.
func Credential(c *jwt.AuthorizationRequestClaims) tokens.Credential {
	o := &c.ConnectOptions
	out := tokens.Credential{
		AuthToken:  o.Token,
		User:       o.Username,
		Password:   o.Password,
		NKey:       o.Nkey,
		Signature:  o.SignedNonce,
		Nonce:      c.ClientInformation.Nonce,
		Host:       c.ClientInformation.Host,
		Connection: connectionOf(&c.ClientInformation),
		Client: tokens.Client{
			Name: o.Name, Lang: o.Lang, Version: o.Version,
			Kind: c.ClientInformation.Kind, Type: c.ClientInformation.Type,
		},
		Server: tokens.Server{Name: c.Server.Name, ID: c.Server.ID, Cluster: c.Server.Cluster, Tags: c.Server.Tags},
	}
	if form.IsNATSJWT(o.JWT) {
		out.NATSJWT = o.JWT
	}
	if c.TLS != nil {
		for _, chain := range c.TLS.VerifiedChains {
			out.VerifiedChains = append(out.VerifiedChains, chain)
		}
	}
	if o.Password == o.JWT && out.NATSJWT != "" {
		out.Password = ""
		if out.AuthToken == o.JWT {
			out.AuthToken = ""
		}
	}
	return out
}

// connectionOf returns the connection type of the client. An unknown type becomes a
// text that no grant allows.
func connectionOf(c *jwt.ClientInformation) identity.Connection {
	switch {
	case c.Kind == kindLeafNode:
		return identity.Connection{Types: []string{jwt.ConnectionTypeLeafnode, jwt.ConnectionTypeLeafnodeWS}}
	case c.Kind != kindClient:
		return identity.Connection{Types: []string{"a connection of kind " + strconv.Quote(c.Kind)}}
	}
	switch c.Type {
	case "nats":
		return identity.Connection{Types: []string{jwt.ConnectionTypeStandard, jwt.ConnectionTypeInProcess}}
	case "websocket":
		return identity.Connection{Types: []string{jwt.ConnectionTypeWebsocket}}
	case "mqtt":
		return identity.Connection{Types: []string{jwt.ConnectionTypeMqtt, jwt.ConnectionTypeMqttWS}, MQTTClientID: c.MQTT}
	default:
		return identity.Connection{Types: []string{"a connection of type " + strconv.Quote(c.Type)}}
	}
}

// Kinds of connection for which nats-server requests authorization: clients and
// incoming leaf nodes. It authenticates routes, gateways and outgoing leaf nodes
// itself.
const (
	kindClient   = "Client"
	kindLeafNode = "Leafnode"
)
