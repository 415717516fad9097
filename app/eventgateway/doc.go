// Package eventgateway tests an event gateway as a whole: both nats-servers with the files
// of "usher init --event-gateway", usher, NATS Streaming, supervisors and services, while
// parts of it fail.
//
// It has no other code than its tests.
package eventgateway
