// Package messages serves the messages of projects over HTTP, as the Argo Messaging Service
// does: publish, pull, acknowledge, and the positions and counts of topics and
// subscriptions. Messages are those of JetStream: what a NATS client publishes is pulled
// over HTTP, and the other way round.
//
// It promises that the answer to publish comes after JetStream has stored every message, that
// an ack id is good for nothing but the delivery it was made for, and that messages never take
// more memory than its limit. It never knows how messages are stored: that is Store.
package messages
