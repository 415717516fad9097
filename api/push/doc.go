// Package push serves the push configuration of subscriptions over HTTP: where messages are
// pushed, whether the endpoint has shown that it wants them, and the header by which it
// knows who pushes. It promises that an endpoint is verified only if it was asked and
// answered with exactly the hash, and that no request of a user makes usher connect to an
// address that the configuration does not allow (package internal/outbound). It never pushes
// messages; package app/push does.
package push
