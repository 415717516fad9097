// Package issuer mints: it keeps the keys, turns a grant into a user JWT, and
// wraps that or a denial into the signed response that nats-server expects
// (ADR-26).
//
// It promises that no key is derived on the way of a request, that no grant
// breaks an invariant (it checks again, whatever derived it), and that a user
// JWT ends no later than its credential and the configured cap. It never prints
// a seed, and never reads one from anywhere but a file.
package issuer
