package callout

import (
	"usher/internal/metrics"
	"usher/tokens"
	"usher/tokens/anonymous"
	"usher/tokens/apikey"
	"usher/tokens/automate"
	"usher/tokens/health"
	"usher/tokens/introspection"
	"usher/tokens/kubernetes"
	"usher/tokens/natsjwt"
	"usher/tokens/nkey"
	"usher/tokens/oidc"
	"usher/tokens/password"
	"usher/tokens/webhook"
	"usher/tokens/x509"
)

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
)

// Code describes one result of a request.
type Code struct {
	Code    string
	Outcome Outcome
	Meaning string // for operators
	Hint    string // what to do about it; may be empty
}

// Codes returns all codes, in the order of docs/reference/errors.md.
func Codes() []Code {
	return []Code{
		{CodeGranted, Granted, "The client may connect.", ""},

		{CodeNoCredential, Denied, "The client presented no recognised credential.", "Send the token as auth_token, as password, or as user name."},
		{apikey.CodeMalformed, Denied, "The token has the prefix of an API key, but its checksum is wrong or it is too long.", "The key was mistyped or truncated. Copy it again."},
		{apikey.CodeUnknown, Denied, "No user in the directory has a key with this digest.", "Check that the directory contains the digest, and that it was reloaded."},
		{tokens.CodeKeyDisabled, Denied, "The key has `enabled: false`.", ""},
		{tokens.CodeKeyNotYetValid, Denied, "The key's `not_before` is in the future.", "Check the clock of this machine."},
		{tokens.CodeKeyExpired, Denied, "The key's `expires` has passed.", "Create a new key: usher apikey new."},
		{tokens.CodeKeyNetwork, Denied, "The client's address is in none of the key's `networks`.", "Behind a proxy or NAT, nats-server sees the address of the proxy."},
		{tokens.CodeUserDisabled, Denied, "The user has `enabled: false`.", ""},
		{nkey.CodeUnknown, Denied, "No user in the directory has this nkey.", "Check that the directory contains the public key (U…), and that it was reloaded."},
		{nkey.CodeUnsigned, Denied, "The client sent an nkey of the directory, and no signature of a nonce.", "In config mode, nats-server sends a nonce only if its own configuration has a user with an nkey."},
		{nkey.CodeSignature, Denied, "The signature beside the nkey is not one of the server's nonce.", "The client signs with the seed of another nkey, or a signature was replayed."},
		{password.CodeWrong, Denied, "The user of this name has another password.", ""},
		{password.CodeUnknown, Denied, "No user of this name has a password, and the password is no token that usher knows.", "With usher's own API keys any user name will do: check the key. Otherwise check the user name."},
		{natsjwt.CodeMalformed, Denied, "The NATS user JWT is not one, is not signed by the issuer that it names, is of version 1, or is longer than 64 KiB.", ""},
		{natsjwt.CodeIssuer, Denied, "The NATS user JWT is not of an account that `credentials.natsjwt` trusts, or not signed by a key of that account.", "The cause in the log says which. The signing keys of an account are known only with `operators` and `dir`."},
		{natsjwt.CodeExpired, Denied, "The NATS user JWT, or that of its account, has expired.", "Get a new one."},
		{natsjwt.CodeNotYetValid, Denied, "The NATS user JWT is not valid yet.", "Check the clock of this machine."},
		{natsjwt.CodeRevoked, Denied, "The account has revoked the NATS user JWT.", "Get a new one."},
		{natsjwt.CodeSignature, Denied, "The client has not signed the server's nonce with the nkey of its NATS user JWT.", "The client needs the seed that belongs to the JWT; a creds file has both."},
		{natsjwt.CodeNetwork, Denied, "The NATS user JWT may not be used from the client's address.", ""},
		{natsjwt.CodeTimes, Denied, "The NATS user JWT may not be used at this time of the day.", ""},
		{natsjwt.CodeConnection, Denied, "The NATS user JWT may not be used for this type of connection, or only through a proxy, which usher cannot see.", ""},
		{anonymous.CodeNetwork, Denied, "The client presented no credential, and its address is in none of `credentials.anonymous.networks`.", ""},
		{tokens.CodeExpired, Denied, "The credential of a live session has ended, and cannot be verified again without it (docs/explanation/sessions.md).", "The client must connect with a new one."},
		{tokens.CodeNotConfigured, Denied, "The verifier or the authority that vouched for the credential of a live session is not configured any more.", ""},
		{tokens.CodeSelection, Denied, "The user name is `project=` or `account=` without a name.", "Check for an unset variable on the client."},
		{health.CodeInvalid, Denied, "The token is a health check token, but no issuer key of this keyring signed it, or it is too old.", "Check that all replicas share one keyring, and that the health check reads the file that the running service writes."},
		{oidc.CodeMalformed, Denied, "The token begins as a JWT, but is not one in the compact form that RFC 7519 describes: three parts in base64url, JSON without a name that occurs twice.", "It was truncated, or white space was added. The cause in the log says which part is wrong."},
		{oidc.CodeTooLarge, Denied, "The JWT is larger than `max_size` of its authority.", "Ask the provider for fewer claims, such as groups, or increase max_size and nats-server's max_control_line."},
		{oidc.CodeEncrypted, Denied, "The JWT is encrypted, so usher cannot read it, and no other verifier knows it.", "Let the provider issue signed tokens, or configure introspection."},
		{oidc.CodeHeader, Denied, "The JWT's header brings a key or rules of its own (jwk, jku, x5c, x5u, crit, b64, cty, zip), or has a kid or typ that is not a text.", "No provider in use issues such tokens. Somebody may be trying to forge one."},
		{oidc.CodeAlgorithm, Denied, "The JWT's algorithm is not one that `algorithms` of its authority allows. None and HMAC never are.", "Add the algorithm to `algorithms`, if the provider uses it."},
		{oidc.CodeIssuerUnknown, Denied, "No authority is configured for the issuer of the JWT, and no other verifier knows it.", "Compare the claim iss with `issuer`: they must be equal to the last character, such as a slash at the end."},
		{oidc.CodeTokenType, Denied, "The JWT is not of the `token_type` that is configured, such as an ID token instead of an access token.", "Present the other token, or set token_type. Many providers issue access tokens without typ at+jwt: see `require_typ`."},
		{oidc.CodeAudience, Denied, "The JWT is not for one of the `audiences`, or was not issued to one of the `clients`.", "Let the client request the audience, or add the one that the cause names, if it means this NATS system alone."},
		{oidc.CodeExpired, Denied, "The JWT has expired (exp), by more than the leeway.", "The client must get a new token before it connects."},
		{oidc.CodeNotYetValid, Denied, "The JWT is not valid yet (nbf), or was issued in the future (iat), by more than the leeway.", "Check the clocks of this machine and of the provider."},
		{oidc.CodeClaims, Denied, "A claim of the JWT is missing, has the wrong type, or is not as `required_claims` wants it.", "The cause in the log names the claim."},
		{oidc.CodeKeyUnknown, Denied, "The authority has no key with the JWT's kid for its algorithm.", "The token is of another environment of the provider, or it is forged."},
		{oidc.CodeSignature, Denied, "The signature of the JWT is not of the authority's key.", "The token was changed, or it is forged. Access tokens of Microsoft Graph cannot be verified by others: request one for your own audience."},
		{x509.CodeMalformed, Denied, "The client certificate, or one of its chain, is unreadable, larger than 64 KiB, or the chain has more than 10 certificates.", ""},
		{x509.CodeIssuer, Denied, "No CA of `credentials.x509.ca_file` vouches for the client certificate, although a CA of nats-server does.", "Add the CA to the file, or give the client a certificate of a CA that is in it."},
		{x509.CodeCA, Denied, "The client certificate is that of a CA.", "Issue a certificate for the client with it."},
		{x509.CodeUsage, Denied, "The client certificate has an extended key usage without client authentication.", ""},
		{x509.CodeNotYetValid, Denied, "The client certificate, or a CA's above it, is not valid yet.", "Check the clock of this machine."},
		{x509.CodeExpired, Denied, "The client certificate, or a CA's above it, has expired.", "Renew the certificate."},
		{x509.CodeSAN, Denied, "The client certificate has no name of the kind of `credentials.x509.identity`, or several, or one with a wildcard.", "usher explain --cert FILE shows the cause."},
		{x509.CodeCN, Denied, "The subject of the client certificate has no common name, or several, or one that is longer than 64 characters or has other characters than letters, digits and `- _ . : / @ +`.", "usher explain --cert FILE shows the cause."},
		{x509.CodeTrustDomain, Denied, "The SPIFFE ID is of a trust domain that is not in `credentials.x509.trust_domains`.", ""},
		{x509.CodeUnknownSubject, Denied, "No user in the directory has a key of kind certificate with this subject.", "The cause in the log has the subject in the form that the key needs."},
		{x509.CodeRevoked, Denied, "The client certificate, or a CA's above it, has been revoked.", ""},
		{x509.CodeNotChecked, Denied, "No CRL and no OCSP responder tells whether the client certificate has been revoked, and `credentials.x509.revocation.unreachable` is `deny`.", "The cause in the log names what is missing."},
		{x509.CodeDisagrees, Denied, "The client certificate is of another user or identity than the token beside it (`credentials.x509.with_token: agree`).", ""},
		{x509.CodeBesideToken, Denied, "The client has a certificate, and presents a token or a password besides (`credentials.x509.with_token: alone`).", "Connect with the certificate alone."},
		{introspection.CodeInactive, Denied, "The authorization server says that the token is not active: unknown, expired or revoked.", "Get a new token. If the token is of another server, set `prefix` or `pattern` of `credentials.introspection`."},
		{introspection.CodeIssuer, Denied, "The response to the introspection names another issuer than `issuer`.", ""},
		{introspection.CodeAudience, Denied, "The response to the introspection names none of the `audiences`.", "Ask the authorization server for a token with this audience, or add the audience that it gives."},
		{introspection.CodeScope, Denied, "The response to the introspection lacks one of the `scopes`.", "Ask the authorization server for a token with this scope."},
		{introspection.CodeExpired, Denied, "The response to the introspection says that the token is active, but its `exp` has passed.", "Check the clocks of this machine and of the authorization server."},
		{introspection.CodeNotYetValid, Denied, "The `nbf` or `iat` of the response to the introspection is in the future, by more than `leeway`.", "Check the clocks of this machine and of the authorization server."},
		{introspection.CodeBound, Denied, "The token is no bearer token: it is bound to a key (`cnf`), or `token_type` is another.", "Ask the authorization server for a bearer access token, without DPoP or mutual TLS."},
		{introspection.CodeNoID, Denied, "The response to the introspection lacks the member of `id_claim`.", "Tokens of clients without a user often have a `client_id` and no `sub`: set `id_claim`."},
		{kubernetes.CodeRejected, Denied, "The API server of the Kubernetes cluster refuses the token: it is forged, expired, for another audience, or its pod or service account is gone.", "The cause in the log has the API server's error."},
		{kubernetes.CodeAudience, Denied, "The API server accepts the token, but for none of the cluster's `audiences`.", "Mount a projected token with one of these audiences (docs/how-to/kubernetes.md)."},
		{kubernetes.CodeAccount, Denied, "The API server accepts the token, but it is not that of a service account.", ""},
		{kubernetes.CodeExpired, Denied, "The token of the service account has expired.", "Clients must read the token file again when they reconnect."},
		{webhook.CodeDenied, Denied, "The endpoint of `credentials.webhook` answered `denied`.", "The cause in the log has the endpoint's reason."},
		{webhook.CodeUnknown, Denied, "The endpoint of `credentials.webhook` answered `unknown`, and no other verifier knows the credential.", "Set `prefix`, so that usher asks the endpoint only about its own credentials."},
		{webhook.CodeExpired, Denied, "The endpoint of `credentials.webhook` answered with an identity whose `expires` has passed.", "Check the clocks, or get a new credential."},
		{automate.CodeRejected, Denied, "Chef Automate's authn-service does not know the token (status `UNAUTHENTICATED`).", "If the token is of another system, set `prefix` of `credentials.automate`."},
		{automate.CodeNoProjects, Denied, "Chef Automate's authn-service knows the token, and its authz-service allows the action on the resource in no project.", "Give the token, or one of its teams, a policy in Automate that allows the action, such as that of the policy `Ingest`."},
		{automate.CodeForm, Denied, "The token cannot be sent to Chef Automate's authn-service: it is too long, or has characters other than printable ASCII.", "Look for a space or a line break at an end of the token."},
		{CodeRejected, Denied, "A verifier rejected the credential, with no more specific code.", "See the cause in the log."},
		{CodeUserUnknown, Denied, "The verified identity is not a user in the directory.", ""},
		{CodeNoIdentityRule, Denied, "The identity is verified, and no rule of `identities` matches it.", "usher explain shows for each rule the first condition that does not hold."},
		{CodeIdentityValue, Denied, "The rule of `identities` that matches inserts a value of the identity into the name of a user or project. The value is missing, or cannot be part of a name.", "Make the conditions of the rule narrower, so that it matches only identities with such values."},
		{CodeIdentityAmbiguous, Denied, "With `identities.match: all`, the rules that match give different users, or a user and roles.", "usher explain shows which rules match."},
		{CodeIdentityProject, Denied, "The rules of `identities` give the identity roles only in projects that do not exist.", "Add the project, or correct the rule."},
		{CodeIdentityProfile, Denied, "The rule of `identities` names a profile that does not exist.", "Add it to `profiles` in `usher.yaml`, or correct the rule."},
		{CodeNoRole, Denied, "The user has neither a project role nor a service role.", "Add the user to the members of a project."},
		{CodeNotMember, Denied, "The user name selects `project=P`, and the user is not a member of P.", ""},
		{CodeNotInAccount, Denied, "The user name selects `account=A`, and the user has no role in A.", ""},
		{CodeAmbiguous, Denied, "The user has roles in several accounts and did not select one.", "Connect with user name `project=P` or `account=A`, and the key as password."},

		{CodeAmbiguousScope, Denied, "The user's roles need different signing keys: they are bound to different scoped signing keys, or only some of them are. One key signs a user JWT.", "Give the user only one of these roles, or bind none of them (`accounts.scopes`)."},
		{CodeNotOneToken, Denied, "The role is bound to a scoped signing key, whose template needs the user's name and tags. The name or a tag is not a single subject token.", "Rename it in the directory: names and key ids that fill a template must not contain a dot, a space or a wildcard."},
		{CodeScopeLimits, Denied, "The role is bound to a scoped signing key, and the user has its own `limits`. nats-server accepts no limits beside a template.", "Put the limits into the template of the scoped signing key."},

		{CodeLeafNode, Denied, "The connection is a leaf node. The user is neither service_admin nor project_admin of every project in the account, or its `limits.connection_types` do not contain `leafnode`.", "nats-server does not check everything that a leaf node sends, so a leaf node gets the whole account (docs/reference/connections.md, Leaf nodes)."},
		{CodeConnectionType, Denied, "The user's `limits.connection_types` do not contain the type of this connection.", "Run usher explain --connection TYPE to see what the user may do."},
		{CodeMQTTClientID, Denied, "The MQTT client id is missing, or it is neither the user's name nor starts with the name and a colon.", "Give the client an id such as NAME:device. `accounts.mqtt_client_ids` allows any id in an account."},

		{CodeUnavailable, Unavailable, "A verifier could not decide.", "The cause in the log names the backend."},
		{automate.CodeUnreachable, Unavailable, "usher has no connection to one of Chef Automate's services, or the service says that it is away (status `UNAVAILABLE`).", "The cause in the log names the service. usher check shows what is wrong with its address, its name, its certificate or usher's."},
		{automate.CodeSlow, Unavailable, "One of Chef Automate's services did not answer within `calls.timeout`.", "Find out why the service is slow."},
		{automate.CodeNotReady, Unavailable, "Chef Automate's service says that it cannot decide in its present state (status `FAILED_PRECONDITION`).", "The cause in the log has its message."},
		{automate.CodeFailed, Unavailable, "Chef Automate's service answered with another error, with an answer that is too large or with one that is not in the format.", "The cause in the log has the status and its message."},
		{automate.CodeUnusable, Unavailable, "The answer of Chef Automate's service names no subject, or has too many or impossible teams or projects.", "Please report it."},
		{CodeNoDirectory, Unavailable, "No directory is loaded.", ""},
		{CodeUnreadable, Unavailable, "A directory entry is unreadable, and it may affect a project or a membership of the user.", "Run usher check to find the entry. Fix it, remove it, or update usher."},
		{CodeNoAccount, Unavailable, "The configuration binds the role to no account.", "Set the `accounts` key that the cause names."},
		{CodeInvariant, Unavailable, "The grant would violate an invariant of all grants, so usher did not issue it.", "The directory or the configuration names an account that clients must not use."},
		{CodeMisplaced, Unavailable, "The service user is not in the account that `accounts.callout` names.", "Run usher check to find the account, and set `accounts.callout` to it."},
		{CodeIssuerUnknown, Unavailable, "The server expects answers from an issuer that is not in the keyring.", "Add the issuer's seed to the keyring, or set auth_callout.issuer on the server to an issuer of the keyring. usher check shows both."},
		{CodeNoSigningKey, Unavailable, "The keyring has no active signing key for the account or scope of the grant (operator mode).", "usher nkey list shows which accounts have a key. A project's `account` must be a name in keyring.yaml."},
		{CodeXKeyUnknown, Unavailable, "The request is sealed to an xkey that is not in the keyring.", "Run usher check to see which xkey the server expects."},
		{CodeSign, Unavailable, "The issuer could not sign the answer.", "usher check tests every signing program (docs/reference/signing-programs.md)."},
		{CodeCredentialEnded, Unavailable, "The credential expired between verification and issuing.", ""},
		{CodeAdopted, Unavailable, "A server has the connection, and no usher that runs knows the credential with which it was granted.", "The client gets a session that is known when it connects again."},
		{CodeTooLarge, Unavailable, "The answer is larger than the server's max_payload, or than 1 MiB, the largest JWT that nats-server accepts.", "Reduce the ACL entries of this user, select one project per connection (`project=P`), or increase max_payload."},
		{CodeReply, Unavailable, "The answer could not be sent, because the service connection was lost.", ""},
		{CodeInternal, Unavailable, "Internal error in usher. The log has the details.", "Please report it."},

		{CodeQueueFull, Shed, "The queue is full.", "If usher_answer_delay_seconds is large, the server is the bottleneck. Otherwise run another replica."},
		{CodeTooLate, Shed, "The budget ran out before the decision. The client has given up or is about to.", "If usher_answer_delay_seconds is large, the server is the bottleneck. Otherwise run another replica, or look for a slow verifier."},
		{CodeFailing, Shed, "This credential, or this client's host, exceeded the rate of failures (`callout.failures`).", "The audit has the earlier denials, with user, host and cause. Shedding ends when the failures do."},
		{CodeVerifierBusy, Shed, "The maximum number of requests is waiting for this verifier's backend.", "Find out why the backend is slow. Other verifiers are not affected."},
		{CodeRequestExpired, Shed, "The server stopped waiting for an answer before the request arrived.", "If this affects all requests, the clocks of server and usher differ. Run usher check."},

		{CodeNotARequest, Malformed, "The message is not a JWT, not signed by its issuer, or not an authorization request.", ""},
		{CodePlaintext, Malformed, "The request is not sealed, and an xkey is configured.", "Set auth_callout.xkey in the server's configuration."},
		{CodeXKeyMismatch, Malformed, "The xkey in the header is not the one in the signed claims.", ""},
		{CodeServerID, Malformed, "The issuer of the request is not the server that the request names.", ""},
		{CodeAudience, Malformed, "The audience of the request is not the authorization service.", ""},
		{CodeUserNkey, Malformed, "The user nkey in the request is not a public user nkey.", ""},
		{CodeNoReply, Malformed, "The request has no reply subject.", ""},
	}
}

// outcomes maps each code to its outcome.
var outcomes = func() map[string]Outcome {
	m := map[string]Outcome{}
	for _, c := range Codes() {
		m[c.Code] = c.Outcome
	}
	return m
}()

// outcomeOf returns the outcome of a code. It returns Unavailable for an unknown
// code, because usher denies only what is definite.
func outcomeOf(code string) Outcome {
	if o, ok := outcomes[code]; ok {
		return o
	}
	return Unavailable
}

// MetricCodes returns the codes for package metrics.
func MetricCodes() []metrics.Code {
	table := Codes()
	codes := make([]metrics.Code, len(table))
	for i, c := range table {
		codes[i] = metrics.Code{Outcome: string(c.Outcome), Code: c.Code}
	}
	return codes
}
