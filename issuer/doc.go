// Package issuer mints user JWTs: it keeps the signing keys, turns a grant into a
// user JWT, and wraps that or a denial into the signed response that nats-server
// expects (ADR-26).
//
// It promises that no key is derived while a request is handled, that no grant
// breaks an invariant (it checks every grant again, whatever derived it), and that
// a user JWT expires no later than its credential and the configured cap. It never
// prints a seed, and reads seeds only from files.
package issuer
