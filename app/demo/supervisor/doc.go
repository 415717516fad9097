// Package supervisor is a client that publishes as a Habitat supervisor does: the NATS
// protocol without a client library, a bearer token, and no subscription.
//
// It sends what a supervisor sends, byte for byte. It sends no token without TLS, unless it
// is given no TLS configuration, and does not connect again by itself.
package supervisor
