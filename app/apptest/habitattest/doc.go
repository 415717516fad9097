// Package habitattest has the clients of an event gateway, for tests: a Habitat supervisor
// that speaks the NATS protocol byte for byte, and NATS Streaming, server and client, as a
// program. Only tests import it.
package habitattest
