package callout

// Outcome is the outcome of a request.
type Outcome string

// The outcomes (docs/adr/0001-words.md). Only the first two are answered: a client
// treats silence as a reason to retry.
const (
	Granted     Outcome = "granted"     // answered with a user JWT
	Denied      Outcome = "denied"      // definitely no; the answer gives a request id and no cause
	Unavailable Outcome = "unavailable" // usher cannot decide; not answered
	Shed        Outcome = "shed"        // too late, or too many requests; not answered
	Malformed   Outcome = "malformed"   // not a request from a server; not answered
)

// Codes of this package. Those of verifiers are in the packages of the verifiers.
const (
	CodeGranted        = "granted"
	CodeNoCredential   = "no_credential"
	CodeRejected       = "credential_rejected"
	CodeNoRole         = "no_role"
	CodeNotMember      = "not_member"
	CodeNotInAccount   = "not_in_account"
	CodeAmbiguous      = "ambiguous_account"
	CodeAmbiguousScope = "ambiguous_scope"
	CodeNotOneToken    = "not_one_token"
	CodeScopeLimits    = "scope_limits"
	CodeLeafNode       = "leafnode_not_allowed"
	CodeConnectionType = "connection_type"
	CodeMQTTClientID   = "mqtt_client_id"
	CodeUserUnknown    = "user_unknown"

	CodeTooManyConnections = "too_many_connections"
	CodeCountUncertain     = "connection_count_uncertain"

	CodeNoIdentityRule    = "no_identity_rule"
	CodeIdentityValue     = "identity_value"
	CodeIdentityAmbiguous = "identity_ambiguous"
	CodeIdentityProject   = "identity_project"
	CodeIdentityProfile   = "identity_profile"

	CodeUnavailable     = "verifier_unavailable"
	CodeNoDirectory     = "no_directory"
	CodeUnreadable      = "entry_unreadable"
	CodeNoAccount       = "no_account"
	CodeInvariant       = "invariant"
	CodeMisplaced       = "wrong_account"
	CodeIssuerUnknown   = "issuer_unknown"
	CodeNoSigningKey    = "no_signing_key"
	CodeXKeyUnknown     = "xkey_unknown"
	CodeSign            = "sign_failed"
	CodeTooLarge        = "grant_too_large"
	CodeReply           = "reply_failed"
	CodeInternal        = "internal"
	CodeQueueFull       = "queue_full"
	CodeTooLate         = "too_late"
	CodeRequestExpired  = "request_expired"
	CodeFailing         = "too_many_failures"
	CodeVerifierBusy    = "verifier_busy"
	CodeNotARequest     = "not_a_request"
	CodePlaintext       = "plaintext_refused"
	CodeXKeyMismatch    = "xkey_mismatch"
	CodeServerID        = "server_id"
	CodeAudience        = "audience"
	CodeUserNkey        = "user_nkey"
	CodeNoReply         = "no_reply"
	CodeCredentialEnded = "credential_ended"
	CodeAdopted         = "session_adopted"
	CodeSessionUnknown  = "session_unknown"
)

// outcomeOf returns the outcome of a message that is not accepted as a request.
func outcomeOf(code string) Outcome {
	switch code {
	case CodeXKeyUnknown:
		return Unavailable
	case CodeRequestExpired:
		return Shed
	default:
		return Malformed
	}
}
