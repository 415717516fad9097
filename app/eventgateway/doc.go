// Package eventgateway tests an event gateway as a whole: both nats-servers with the files
// of "usher init --event-gateway", usher, NATS Streaming, supervisors and services, while
// parts of it fail.
//
// It promises that what docs/explanation/event-gateway.md says about walls and failures is
// true. It has no other code than its tests.
package eventgateway
