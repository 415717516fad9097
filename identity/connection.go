package identity

// Connection says how a principal came to nats-server, as far as the server says.
type Connection struct {
	// Types are the connection types, spelt as in a user JWT, of which it is one: a
	// request does not tell those over WebSocket from the others. Nil: nothing is
	// known of the connection, because there is none.
	Types        []string
	MQTTClientID string // of an MQTT client
}
