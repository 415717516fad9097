// Package login gets a token from an OpenID Connect provider for a person: with the
// browser on this machine (RFC 8252), or on any other device (RFC 8628).
//
// It promises to send a code or a token to nobody but the configured provider, which must
// be reached over TLS unless it is on this machine. It stores nothing.
package login
