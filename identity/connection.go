package identity

// Connection describes the connection of a principal, as far as the authorization
// request of nats-server does.
type Connection struct {
	// Types lists the possible connection types, spelt as in a user JWT. There is more
	// than one, because a request does not tell WebSocket connections from the others.
	// Nil: there is no connection.
	Types        []string
	MQTTClientID string // empty for clients of other protocols
}
