// Package oidc verifies bearer tokens in the form of JWTs: access tokens (RFC 9068), ID
// tokens (OpenID Connect Core) and the tokens of Kubernetes service accounts, of any
// number of configured authorities.
//
// A token's issuer selects one of them, and never anything else: usher asks no address
// that a token names. It waits for another system only if a key is missing. It promises
// that a provider which is out of reach, or which has just begun to use a key, makes no
// denial. No error contains a token.
package oidc
