// Package provider is a small OpenID Connect provider for "usher dev": authorization code
// with PKCE (RFC 7636), device authorization (RFC 8628), and JWT access tokens (RFC 9068).
//
// It is for trying usher on one machine. Whoever opens its page picks a user and needs no
// password, so it serves loopback addresses only. Its keys live as long as the process.
package provider
