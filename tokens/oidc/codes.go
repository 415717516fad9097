package oidc

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeTooLarge      = "oidc_too_large"
	CodeMalformed     = "oidc_malformed"
	CodeEncrypted     = "oidc_encrypted"
	CodeHeader        = "oidc_header"
	CodeAlgorithm     = "oidc_algorithm"
	CodeIssuerUnknown = "oidc_issuer_unknown"
	CodeTokenType     = "oidc_token_type"
	CodeAudience      = "oidc_audience"
	CodeExpired       = "oidc_expired"
	CodeNotYetValid   = "oidc_not_yet_valid"
	CodeClaims        = "oidc_claims"
	CodeKeyUnknown    = "oidc_key_unknown"
	CodeSignature     = "oidc_signature"
)
