// Package jwt reads signed JSON Web Tokens in compact form (RFC 7519, RFC 7515 section
// 7.1), and verifies their signatures.
//
// It promises to read one form only: three parts in canonical base64url, JSON in UTF-8
// without a name that occurs twice, nothing before or after, and no header that would
// make a verifier take a key or a rule from the token. It knows neither issuers nor the
// meaning of claims. Its errors contain no part of a token but names that it states.
package jwt
