package callout

import (
	"usher/internal/metrics"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/health"
)

// Outcome is what became of a request.
type Outcome string

// The outcomes (DESIGN.md). Only the first two are answered.
const (
	Granted     Outcome = "granted"     // answered with a user JWT
	Denied      Outcome = "denied"      // definitely no; answered with a constant code and a request id
	Unavailable Outcome = "unavailable" // usher cannot decide; not answered, clients retry silence
	Shed        Outcome = "shed"        // too late or too much; not answered
	Malformed   Outcome = "malformed"   // not a request from a server; not answered
)

// Codes that this package gives; those of verifiers stand in their packages.
const (
	CodeGranted         = "granted"
	CodeNoCredential    = "no_credential"
	CodeRejected        = "credential_rejected"
	CodeNoRole          = "no_role"
	CodeNotMember       = "not_member"
	CodeNotInAccount    = "not_in_account"
	CodeAmbiguous       = "ambiguous_account"
	CodeAmbiguousScope  = "ambiguous_scope"
	CodeNotOneToken     = "not_one_token"
	CodeScopeLimits     = "scope_limits"
	CodeLeafNode        = "leafnode_not_allowed"
	CodeConnectionType  = "connection_type"
	CodeMQTTClientID    = "mqtt_client_id"
	CodeUserUnknown     = "user_unknown"
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
)

// Code describes one result of a request.
type Code struct {
	Code    string
	Outcome Outcome
	Meaning string // for operators
	Hint    string // what to do about it; empty: nothing
}

// Codes lists every code there is, in the order in which docs/reference/errors.md shows them.
func Codes() []Code {
	return []Code{
		{CodeGranted, Granted, "The client was let in.", ""},

		{CodeNoCredential, Denied, "The client presented nothing that a verifier understands.", "Send the token as auth_token, as password, or as user name."},
		{apikey.CodeMalformed, Denied, "The token has the prefix of usher's API keys, but its checksum is wrong, or it is far too long.", "The key was mistyped or cut off when it was copied."},
		{apikey.CodeUnknown, Denied, "No user of the directory has a key with this digest.", "Was the digest put into the directory, and was that reloaded?"},
		{apikey.CodeDisabled, Denied, "The key is there, with `enabled: false`.", ""},
		{apikey.CodeNotYetValid, Denied, "The key's `not_before` is still to come.", "Check the clock of this machine."},
		{apikey.CodeExpired, Denied, "The key's `expires` has passed.", "Make a new key: usher apikey new."},
		{apikey.CodeNetwork, Denied, "The client's address is in none of the key's `networks`.", "Behind a proxy or NAT, nats-server sees that one's address."},
		{tokens.CodeUserDisabled, Denied, "The user has `enabled: false`.", ""},
		{apikey.CodeSelection, Denied, "The user name is `project=` or `account=` and nothing else.", "An unset variable on the client's side?"},
		{health.CodeInvalid, Denied, "The token looks like usher's health check, and no issuer key of this keyring signed it, or it is too old.", "Do all replicas share one keyring? Is the health check reading the file that the running service writes?"},
		{CodeRejected, Denied, "A verifier rejected the credential without a code of its own.", "The cause in the log says why."},
		{CodeUserUnknown, Denied, "The verified identity is no user of the directory.", ""},
		{CodeNoRole, Denied, "The user has neither a project nor a service role.", "Add it to a project's members."},
		{CodeNotMember, Denied, "The user name asked for `project=P`, and the user is not a member of P.", ""},
		{CodeNotInAccount, Denied, "The user name asked for `account=A`, and no role of the user is there.", ""},
		{CodeAmbiguous, Denied, "The user has roles in several accounts and did not say which one it wants.", "Connect with user name `project=P` or `account=A` and the key as password."},

		{CodeAmbiguousScope, Denied, "The user's roles are bound to different scoped signing keys, or one is and another is not, and a user JWT is signed by one key.", "Give the user one of these roles only, or leave none of them bound (`accounts.scopes`)."},
		{CodeNotOneToken, Denied, "The role is bound to a scoped signing key, and the user's name or one of its tags is not one subject token, so it cannot be filled into a template.", "A key id of the directory must have no dot, space or wildcard in it then."},
		{CodeScopeLimits, Denied, "The role is bound to a scoped signing key, and the user has `limits` of its own, which nats-server does not take beside a template.", "Put the limit into the template of the scoped signing key."},

		{CodeLeafNode, Denied, "A leaf node, and the user is neither service_admin nor project_admin of every project of the account, or its `limits.connection_types` do not name `leafnode`.", "nats-server does not check all that a leaf node sends, so whoever brings one gets the whole account (docs/reference/connections.md, Leaf nodes)."},
		{CodeConnectionType, Denied, "The user's `limits.connection_types` do not name the way in which it connects.", "usher explain --connection TYPE says what the user may do."},
		{CodeMQTTClientID, Denied, "The MQTT client id is neither the user's name nor begins with it and a colon, or the client stated none.", "Give the client an id such as NAME:device; `accounts.mqtt_client_ids` lets an account have any."},

		{CodeUnavailable, Unavailable, "A verifier could not decide.", "The cause in the log says which backend."},
		{CodeNoDirectory, Unavailable, "No directory is loaded.", ""},
		{CodeUnreadable, Unavailable, "An entry of the directory cannot be read, and may say otherwise about a project or a membership of the user.", "usher check says which entry it is: mend it, remove it, or update usher."},
		{CodeNoAccount, Unavailable, "The role is bound to no account by the configuration.", "Set the `accounts` key that the cause names."},
		{CodeInvariant, Unavailable, "The grant would break a rule that holds for every grant, so it was not issued.", "Directory or configuration name an account that clients must not land in."},
		{CodeMisplaced, Unavailable, "The service user is not in the account that `accounts.callout` names.", "Name that account in the configuration: usher check says which."},
		{CodeIssuerUnknown, Unavailable, "The server expects answers from an issuer that is not in the keyring.", "Put the issuer's seed into the keyring, or its public key into the server's auth_callout: usher check says which."},
		{CodeNoSigningKey, Unavailable, "No active key of the keyring signs user JWTs for the account, or the scope, that the user is to land in (operator mode).", "usher nkey list shows which accounts have one; a project's `account` has to be a name that keyring.yaml knows."},
		{CodeXKeyUnknown, Unavailable, "The request is sealed to an xkey that is not in the keyring.", "usher check says what the server expects."},
		{CodeSign, Unavailable, "The issuer could not sign.", "usher check tries every program that signs (docs/reference/signing-programs.md)."},
		{CodeCredentialEnded, Unavailable, "The credential ended between verifying and issuing.", ""},
		{CodeTooLarge, Unavailable, "The answer is larger than the server's max_payload, or than 1 MiB, the largest JWT that it reads.", "Fewer ACL entries for this user, fewer projects in one connection (`project=P`), or a larger max_payload."},
		{CodeReply, Unavailable, "The answer could not be sent; the service connection was lost.", ""},
		{CodeInternal, Unavailable, "A fault in usher. The log has the details.", "Please report it."},

		{CodeQueueFull, Shed, "More requests are waiting than the queue takes.", "If usher_answer_delay_seconds is large, the server is the bottleneck; if not, run another replica."},
		{CodeTooLate, Shed, "The budget ran out before the decision was made; the client is gone or about to go.", "If usher_answer_delay_seconds is large, the server is the bottleneck; if not, run another replica, or look for a slow verifier."},
		{CodeFailing, Shed, "This credential, or attempts from this client's host, failed more often than they may (`callout.failures`).", "The audit has the denials before it: their user, host and cause. It ends by itself when the failures do."},
		{CodeVerifierBusy, Shed, "As many requests as may wait for this verifier's backend are waiting for it.", "Look at why the backend is slow; other verifiers are not affected."},
		{CodeRequestExpired, Shed, "The server had given up on the request before it came here.", "If it is all of them: the clocks of server and usher differ (usher check)."},

		{CodeNotARequest, Malformed, "Not a JWT, not signed by its issuer, or not an authorization request.", ""},
		{CodePlaintext, Malformed, "The request came in the clear, and an xkey is configured.", "Set auth_callout.xkey in the server's configuration."},
		{CodeXKeyMismatch, Malformed, "The xkey in the header is not the one that the server signed.", ""},
		{CodeServerID, Malformed, "The issuer of the request is not the server that it names.", ""},
		{CodeAudience, Malformed, "The request is not meant for an authorization service.", ""},
		{CodeUserNkey, Malformed, "The request's user nkey is no user nkey.", ""},
		{CodeNoReply, Malformed, "The request has no reply subject.", ""},
	}
}

// outcomes are those of the table.
var outcomes = func() map[string]Outcome {
	m := map[string]Outcome{}
	for _, c := range Codes() {
		m[c.Code] = c.Outcome
	}
	return m
}()

// outcomeOf returns the outcome of a code; Unavailable for one that is not in
// the table, because not knowing is never a "no".
func outcomeOf(code string) Outcome {
	if o, ok := outcomes[code]; ok {
		return o
	}
	return Unavailable
}

// MetricCodes returns the codes as package metrics counts them.
func MetricCodes() []metrics.Code {
	table := Codes()
	codes := make([]metrics.Code, len(table))
	for i, c := range table {
		codes[i] = metrics.Code{Outcome: string(c.Outcome), Code: c.Code}
	}
	return codes
}
