// Package introspection verifies opaque tokens of an OAuth 2.0 authorization server: it
// asks the server's introspection endpoint about them (RFC 7662).
//
// It promises: only tokens that the configuration leaves to it are sent to the endpoint,
// never an API key or a NATS JWT; a token is verified only if the response says so in the
// exact form of RFC 7662, for this audience, with these scopes; an endpoint that is down,
// refuses usher, or answers anything else is never a denial.
package introspection
