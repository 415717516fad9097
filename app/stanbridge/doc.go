// Package stanbridge serves clients of NATS Streaming that publish, in place of a NATS
// Streaming server, and stores their messages in a JetStream stream.
//
// It promises that a message is acknowledged only after JetStream has acknowledged it, and
// that what waits for JetStream has a limit, in messages and bytes, of which no client takes
// more than it leaves free. Where it cannot store a message now it is silent; an error means
// a definite no. It keeps no state about clients that it needs: any bridge of a cluster
// serves any client, also one that has connected to another bridge, to this one before a
// restart, or to a NATS Streaming server (docs/adr/0021-stan-bridge.md).
//
// It never serves subscriptions, never changes a stream that exists, and shares nothing with
// the way of an authorization request: it has a connection and goroutines of its own, whose
// number does not depend on clients or messages.
package stanbridge
