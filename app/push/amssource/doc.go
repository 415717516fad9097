// Package amssource reads the messages of subscriptions over the HTTP API of an Argo
// Messaging Service, or of another usher, as the push server of AMS does: it pulls,
// acknowledges, and lists the subscriptions that it has to push.
//
// It promises that its token goes to the configured service alone (no redirects, no other
// host), and that a message is acknowledged only if every message before it is: AMS takes
// the acknowledgement of a message for that of all before it. It has no dead letters: the
// API has no place for them.
package amssource
