// Package codes lists the codes with which a request ends, for people and for metrics: those
// of callout and those of all verifiers. It decides nothing.
package codes

import (
	"usher/callout"
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
	"usher/tokens/service"
	"usher/tokens/webhook"
	"usher/tokens/x509"
)

// Code describes one result of a request.
type Code struct {
	Code    string
	Outcome callout.Outcome
	Meaning string // for operators
	Hint    string // what to do about it; may be empty
}

// All returns all codes, in the order of docs/reference/errors.md.
func All() []Code {
	return []Code{
		{callout.CodeGranted, callout.Granted, "The client may connect.", ""},

		{callout.CodeNoCredential, callout.Denied, "The client presented no recognised credential.", "Send the token as auth_token, as password, or as user name."},
		{apikey.CodeMalformed, callout.Denied, "The token has the prefix of an API key, but its checksum is wrong or it is too long.", "The key was mistyped or truncated. Copy it again."},
		{apikey.CodeUnknown, callout.Denied, "No user in the directory has a key with this digest.", "Check that the directory contains the digest, and that it was reloaded."},
		{tokens.CodeKeyDisabled, callout.Denied, "The key has `enabled: false`.", ""},
		{tokens.CodeKeyNotYetValid, callout.Denied, "The key's `not_before` is in the future.", "Check the clock of this machine."},
		{tokens.CodeKeyExpired, callout.Denied, "The key's `expires` has passed.", "Create a new key: usher apikey new."},
		{tokens.CodeKeyNetwork, callout.Denied, "The client's address is in none of the key's `networks`.", "Behind a proxy or NAT, nats-server sees the address of the proxy."},
		{tokens.CodeUserDisabled, callout.Denied, "The user has `enabled: false`.", ""},
		{tokens.CodeBanned, callout.Denied, "A ban holds for the client's network, credential, MQTT client id, key, user or identity. The cause names it.", "usher ban list shows the bans, usher ban lift ends one."},
		{nkey.CodeUnknown, callout.Denied, "No user in the directory has this nkey.", "Check that the directory contains the public key (U…), and that it was reloaded."},
		{nkey.CodeUnsigned, callout.Denied, "The client sent an nkey of the directory, and no signature of a nonce.", "In config mode, nats-server sends a nonce only if its own configuration has a user with an nkey."},
		{nkey.CodeSignature, callout.Denied, "The signature beside the nkey is not one of the server's nonce.", "The client signs with the seed of another nkey, or a signature was replayed."},
		{password.CodeWrong, callout.Denied, "The user of this name has another password.", ""},
		{password.CodeUnknown, callout.Denied, "No user of this name has a password, and the password is no token that usher knows.", "With usher's own API keys any user name will do: check the key. Otherwise check the user name."},
		{natsjwt.CodeMalformed, callout.Denied, "The NATS user JWT is not one, is not signed by the issuer that it names, is of version 1, or is longer than 64 KiB.", ""},
		{natsjwt.CodeIssuer, callout.Denied, "The NATS user JWT is not of an account that `credentials.natsjwt` trusts, or not signed by a key of that account.", "The cause in the log says which. The signing keys of an account are known only with `operators` and `dir`."},
		{natsjwt.CodeExpired, callout.Denied, "The NATS user JWT, or that of its account, has expired.", "Get a new one."},
		{natsjwt.CodeNotYetValid, callout.Denied, "The NATS user JWT is not valid yet.", "Check the clock of this machine."},
		{natsjwt.CodeRevoked, callout.Denied, "The account has revoked the NATS user JWT.", "Get a new one."},
		{natsjwt.CodeSignature, callout.Denied, "The client has not signed the server's nonce with the nkey of its NATS user JWT.", "The client needs the seed that belongs to the JWT; a creds file has both."},
		{natsjwt.CodeNetwork, callout.Denied, "The NATS user JWT may not be used from the client's address.", ""},
		{natsjwt.CodeTimes, callout.Denied, "The NATS user JWT may not be used at this time of the day.", ""},
		{natsjwt.CodeConnection, callout.Denied, "The NATS user JWT may not be used for this type of connection, or only through a proxy, which usher cannot see.", ""},
		{anonymous.CodeNetwork, callout.Denied, "The client presented no credential, and its address is in none of `credentials.anonymous.networks`.", ""},
		{tokens.CodeExpired, callout.Denied, "The credential of a live session has ended, and cannot be verified again without it (docs/explanation/sessions.md).", "The client must connect with a new one."},
		{callout.CodeSessionUnknown, callout.Denied, "nats-server asks again about a connection, without the credential, and no usher that runs knows the one with which it was granted.", "The client gets a session that is known when it connects again. With its key as password, not as auth_token, it stays connected."},
		{tokens.CodeNotConfigured, callout.Denied, "The verifier or the authority that vouched for the credential of a live session is not configured any more.", ""},
		{tokens.CodeSelection, callout.Denied, "The user name is `project=` or `account=` without a name.", "Check for an unset variable on the client."},
		{health.CodeInvalid, callout.Denied, "The token is a health check token, but no issuer key of this keyring signed it, or it is too old.", "Check that all replicas share one keyring, and that the health check reads the file that the running service writes."},
		{service.CodeInvalid, callout.Denied, "The token is one of usher's own connections into the accounts of projects, but no issuer key of this keyring signed it, or it is too old.", "Check that all replicas share one keyring, and compare the clocks of their machines."},
		{service.CodeAccount, callout.Denied, "The token is one of usher's own connections, for an account in which no project of the directory lives.", "If the project is new, the replica that answered did not have it yet: usher tries again."},
		{oidc.CodeMalformed, callout.Denied, "The token begins as a JWT, but is not one in the compact form that RFC 7519 describes: three parts in base64url, JSON without a name that occurs twice.", "It was truncated, or white space was added. The cause in the log says which part is wrong."},
		{oidc.CodeTooLarge, callout.Denied, "The JWT is larger than `max_size` of its authority.", "Ask the provider for fewer claims, such as groups, or increase max_size and nats-server's max_control_line."},
		{oidc.CodeEncrypted, callout.Denied, "The JWT is encrypted, so usher cannot read it, and no other verifier knows it.", "Let the provider issue signed tokens, or configure introspection."},
		{oidc.CodeHeader, callout.Denied, "The JWT's header brings a key or rules of its own (jwk, jku, x5c, x5u, crit, b64, cty, zip), or has a kid or typ that is not a text.", "No provider in use issues such tokens. Somebody may be trying to forge one."},
		{oidc.CodeAlgorithm, callout.Denied, "The JWT's algorithm is not one that `algorithms` of its authority allows. None and HMAC never are.", "Add the algorithm to `algorithms`, if the provider uses it."},
		{oidc.CodeIssuerUnknown, callout.Denied, "No authority is configured for the issuer of the JWT, and no other verifier knows it.", "Compare the claim iss with `issuer`: they must be equal to the last character, such as a slash at the end."},
		{oidc.CodeTokenType, callout.Denied, "The JWT is not of the `token_type` that is configured, such as an ID token instead of an access token.", "Present the other token, or set token_type. Many providers issue access tokens without typ at+jwt: see `require_typ`."},
		{oidc.CodeAudience, callout.Denied, "The JWT is not for one of the `audiences`, or was not issued to one of the `clients`.", "Let the client request the audience, or add the one that the cause names, if it means this NATS system alone."},
		{oidc.CodeExpired, callout.Denied, "The JWT has expired (exp), by more than the leeway.", "The client must get a new token before it connects."},
		{oidc.CodeNotYetValid, callout.Denied, "The JWT is not valid yet (nbf), or was issued in the future (iat), by more than the leeway.", "Check the clocks of this machine and of the provider."},
		{oidc.CodeClaims, callout.Denied, "A claim of the JWT is missing, has the wrong type, or is not as `required_claims` wants it.", "The cause in the log names the claim."},
		{oidc.CodeKeyUnknown, callout.Denied, "The authority has no key with the JWT's kid for its algorithm.", "The token is of another environment of the provider, or it is forged."},
		{oidc.CodeSignature, callout.Denied, "The signature of the JWT is not of the authority's key.", "The token was changed, or it is forged. Access tokens of Microsoft Graph cannot be verified by others: request one for your own audience."},
		{x509.CodeMalformed, callout.Denied, "The client certificate, or one of its chain, is unreadable, larger than 64 KiB, or the chain has more than 10 certificates.", ""},
		{x509.CodeIssuer, callout.Denied, "No CA of `credentials.x509.ca_file` vouches for the client certificate, although a CA of nats-server does.", "Add the CA to the file, or give the client a certificate of a CA that is in it."},
		{x509.CodeCA, callout.Denied, "The client certificate is that of a CA.", "Issue a certificate for the client with it."},
		{x509.CodeUsage, callout.Denied, "The client certificate has an extended key usage without client authentication.", ""},
		{x509.CodeNotYetValid, callout.Denied, "The client certificate, or a CA's above it, is not valid yet.", "Check the clock of this machine."},
		{x509.CodeExpired, callout.Denied, "The client certificate, or a CA's above it, has expired.", "Renew the certificate."},
		{x509.CodeSAN, callout.Denied, "The client certificate has no name of the kind of `credentials.x509.identity`, or several, or one with a wildcard.", "usher explain --cert FILE shows the cause."},
		{x509.CodeCN, callout.Denied, "The subject of the client certificate has no common name, or several, or one that is longer than 64 characters or has other characters than letters, digits and `- _ . : / @ +`.", "usher explain --cert FILE shows the cause."},
		{x509.CodeTrustDomain, callout.Denied, "The SPIFFE ID is of a trust domain that is not in `credentials.x509.trust_domains`.", ""},
		{x509.CodeUnknownSubject, callout.Denied, "No user in the directory has a key of kind certificate with this subject.", "The cause in the log has the subject in the form that the key needs."},
		{x509.CodeRevoked, callout.Denied, "The client certificate, or a CA's above it, has been revoked.", ""},
		{x509.CodeNotChecked, callout.Denied, "No CRL and no OCSP responder tells whether the client certificate has been revoked, and `credentials.x509.revocation.unreachable` is `deny`.", "The cause in the log names what is missing."},
		{x509.CodeDisagrees, callout.Denied, "The client certificate is of another user or identity than the token beside it (`credentials.x509.with_token: agree`).", ""},
		{x509.CodeBesideToken, callout.Denied, "The client has a certificate, and presents a token or a password besides (`credentials.x509.with_token: alone`).", "Connect with the certificate alone."},
		{introspection.CodeInactive, callout.Denied, "The authorization server says that the token is not active: unknown, expired or revoked.", "Get a new token. If the token is of another server, set `prefix` or `pattern` of `credentials.introspection`."},
		{introspection.CodeIssuer, callout.Denied, "The response to the introspection names another issuer than `issuer`.", ""},
		{introspection.CodeAudience, callout.Denied, "The response to the introspection names none of the `audiences`.", "Ask the authorization server for a token with this audience, or add the audience that it gives."},
		{introspection.CodeScope, callout.Denied, "The response to the introspection lacks one of the `scopes`.", "Ask the authorization server for a token with this scope."},
		{introspection.CodeExpired, callout.Denied, "The response to the introspection says that the token is active, but its `exp` has passed.", "Check the clocks of this machine and of the authorization server."},
		{introspection.CodeNotYetValid, callout.Denied, "The `nbf` or `iat` of the response to the introspection is in the future, by more than `leeway`.", "Check the clocks of this machine and of the authorization server."},
		{introspection.CodeBound, callout.Denied, "The token is no bearer token: it is bound to a key (`cnf`), or `token_type` is another.", "Ask the authorization server for a bearer access token, without DPoP or mutual TLS."},
		{introspection.CodeNoID, callout.Denied, "The response to the introspection lacks the member of `id_claim`.", "Tokens of clients without a user often have a `client_id` and no `sub`: set `id_claim`."},
		{kubernetes.CodeRejected, callout.Denied, "The API server of the Kubernetes cluster refuses the token: it is forged, expired, for another audience, or its pod or service account is gone.", "The cause in the log has the API server's error."},
		{kubernetes.CodeAudience, callout.Denied, "The API server accepts the token, but for none of the cluster's `audiences`.", "Mount a projected token with one of these audiences (docs/how-to/kubernetes.md)."},
		{kubernetes.CodeAccount, callout.Denied, "The API server accepts the token, but it is not that of a service account.", ""},
		{kubernetes.CodeExpired, callout.Denied, "The token of the service account has expired.", "Clients must read the token file again when they reconnect."},
		{webhook.CodeDenied, callout.Denied, "The endpoint of `credentials.webhook` answered `denied`.", "The cause in the log has the endpoint's reason."},
		{webhook.CodeUnknown, callout.Denied, "The endpoint of `credentials.webhook` answered `unknown`, and no other verifier knows the credential.", "Set `prefix`, so that usher asks the endpoint only about its own credentials."},
		{webhook.CodeExpired, callout.Denied, "The endpoint of `credentials.webhook` answered with an identity whose `expires` has passed.", "Check the clocks, or get a new credential."},
		{automate.CodeRejected, callout.Denied, "Chef Automate's authn-service does not know the token (status `UNAUTHENTICATED`).", "If the token is of another system, set `prefix` of `credentials.automate`."},
		{automate.CodeNoProjects, callout.Denied, "Chef Automate's authn-service knows the token, and its authz-service allows the action on the resource in no project.", "Give the token, or one of its teams, a policy in Automate that allows the action, such as that of the policy `Ingest`."},
		{automate.CodeForm, callout.Denied, "The token cannot be sent to Chef Automate's authn-service: it is too long, or has characters other than printable ASCII.", "Look for a space or a line break at an end of the token."},
		{callout.CodeRejected, callout.Denied, "A verifier rejected the credential, with no more specific code.", "See the cause in the log."},
		{callout.CodeUserUnknown, callout.Denied, "The verified identity is not a user in the directory.", ""},
		{callout.CodeNoIdentityRule, callout.Denied, "The identity is verified, and no rule of `identities` matches it.", "usher explain shows for each rule the first condition that does not hold."},
		{callout.CodeIdentityValue, callout.Denied, "The rule of `identities` that matches inserts a value of the identity into the name of a user or project. The value is missing, or cannot be part of a name.", "Make the conditions of the rule narrower, so that it matches only identities with such values."},
		{callout.CodeIdentityAmbiguous, callout.Denied, "With `identities.match: all`, the rules that match give different users, or a user and roles.", "usher explain shows which rules match."},
		{callout.CodeIdentityProject, callout.Denied, "The rules of `identities` give the identity roles only in projects that do not exist.", "Add the project, or correct the rule."},
		{callout.CodeIdentityProfile, callout.Denied, "The rule of `identities` names a profile that does not exist.", "Add it to `profiles` in `usher.yaml`, or correct the rule."},
		{callout.CodeNoRole, callout.Denied, "The user has neither a project role nor a service role.", "Add the user to the members of a project."},
		{callout.CodeNotMember, callout.Denied, "The user name selects `project=P`, and the user is not a member of P.", ""},
		{callout.CodeNotInAccount, callout.Denied, "The user name selects `account=A`, and the user has no role in A.", ""},
		{callout.CodeAmbiguous, callout.Denied, "The user has roles in several accounts and did not select one.", "Connect with user name `project=P` or `account=A`, and the key as password."},

		{callout.CodeAmbiguousScope, callout.Denied, "The user's roles need different signing keys: they are bound to different scoped signing keys, or only some of them are. One key signs a user JWT.", "Give the user only one of these roles, or bind none of them (`accounts.scopes`)."},
		{callout.CodeNotOneToken, callout.Denied, "The role is bound to a scoped signing key, whose template needs the user's name and tags. The name or a tag is not a single subject token.", "Rename it in the directory: names and key ids that fill a template must not contain a dot, a space or a wildcard."},
		{callout.CodeScopeLimits, callout.Denied, "The role is bound to a scoped signing key, and the user has its own `limits`. nats-server accepts no limits beside a template.", "Put the limits into the template of the scoped signing key."},

		{callout.CodeLeafNode, callout.Denied, "The connection is a leaf node. The user is neither service_admin nor project_admin of every project in the account, or its `limits.connection_types` do not contain `leafnode`.", "nats-server does not check everything that a leaf node sends, so a leaf node gets the whole account (docs/reference/connections.md, Leaf nodes)."},
		{callout.CodeConnectionType, callout.Denied, "The user's `limits.connection_types` do not contain the type of this connection.", "Run usher explain --connection TYPE to see what the user may do."},
		{callout.CodeMQTTClientID, callout.Denied, "The MQTT client id is missing, or it is neither the user's name nor starts with the name and a colon.", "Give the client an id such as NAME:device. `accounts.mqtt_client_ids` allows any id in an account."},

		{callout.CodeTooManyConnections, callout.Denied, "The user, the key or a project has as many connections as `sessions.limits` allows.", "The cause in the log says which, and `usher session list` shows the connections."},

		{callout.CodeUnavailable, callout.Unavailable, "A verifier could not decide.", "The cause in the log names the backend."},
		{automate.CodeUnreachable, callout.Unavailable, "usher has no connection to one of Chef Automate's services, or the service says that it is away (status `UNAVAILABLE`).", "The cause in the log names the service. usher check shows what is wrong with its address, its name, its certificate or usher's."},
		{automate.CodeSlow, callout.Unavailable, "One of Chef Automate's services did not answer within `calls.timeout`.", "Find out why the service is slow."},
		{automate.CodeNotReady, callout.Unavailable, "Chef Automate's service says that it cannot decide in its present state (status `FAILED_PRECONDITION`).", "The cause in the log has its message."},
		{automate.CodeFailed, callout.Unavailable, "Chef Automate's service answered with another error, with an answer that is too large or with one that is not in the format.", "The cause in the log has the status and its message."},
		{automate.CodeUnusable, callout.Unavailable, "The answer of Chef Automate's service names no subject, or has too many or impossible teams or projects.", "Please report it."},
		{callout.CodeCountUncertain, callout.Unavailable, "The user, the key or a project seems to have as many connections as `sessions.limits` allows, but usher does not hear from the servers which connections have ended.", "Find out why usher does not reach the system account: the cause in the log says it."},
		{callout.CodeNoDirectory, callout.Unavailable, "No directory is loaded.", ""},
		{callout.CodeUnreadable, callout.Unavailable, "A directory entry is unreadable, and it may affect a project or a membership of the user.", "Run usher check to find the entry. Fix it, remove it, or update usher."},
		{callout.CodeNoAccount, callout.Unavailable, "The configuration binds the role to no account.", "Set the `accounts` key that the cause names."},
		{callout.CodeInvariant, callout.Unavailable, "The grant would violate an invariant of all grants, so usher did not issue it.", "The directory or the configuration names an account that clients must not use."},
		{callout.CodeMisplaced, callout.Unavailable, "The service user is not in the account that `accounts.callout` names.", "Run usher check to find the account, and set `accounts.callout` to it."},
		{callout.CodeIssuerUnknown, callout.Unavailable, "The server expects answers from an issuer that is not in the keyring.", "Add the issuer's seed to the keyring, or set auth_callout.issuer on the server to an issuer of the keyring. usher check shows both."},
		{callout.CodeNoSigningKey, callout.Unavailable, "The keyring has no active signing key for the account or scope of the grant (operator mode).", "usher nkey list shows which accounts have a key. A project's `account` must be a name in keyring.yaml."},
		{callout.CodeXKeyUnknown, callout.Unavailable, "The request is sealed to an xkey that is not in the keyring.", "Run usher check to see which xkey the server expects."},
		{callout.CodeSign, callout.Unavailable, "The issuer could not sign the answer.", "usher check tests every signing program (docs/reference/signing-programs.md)."},
		{callout.CodeCredentialEnded, callout.Unavailable, "The credential expired between verification and issuing.", ""},
		{callout.CodeAdopted, callout.Unavailable, "A server has the connection, and no usher that runs knows the credential with which it was granted.", "The client gets a session that is known when it connects again."},
		{callout.CodeTooLarge, callout.Unavailable, "The answer is larger than the server's max_payload, or than 1 MiB, the largest JWT that nats-server accepts.", "Reduce the ACL entries of this user, select one project per connection (`project=P`), or increase max_payload."},
		{callout.CodeReply, callout.Unavailable, "The answer could not be sent, because the service connection was lost.", ""},
		{callout.CodeInternal, callout.Unavailable, "Internal error in usher. The log has the details.", "Please report it."},

		{callout.CodeQueueFull, callout.Shed, "The queue is full.", "If usher_answer_delay_seconds is large, the server is the bottleneck. Otherwise run another replica."},
		{callout.CodeTooLate, callout.Shed, "The budget ran out before the decision. The client has given up or is about to.", "If usher_answer_delay_seconds is large, the server is the bottleneck. Otherwise run another replica, or look for a slow verifier."},
		{callout.CodeFailing, callout.Shed, "This credential, or this client's host, exceeded the rate of failures (`callout.failures`).", "The audit has the earlier denials, with user, host and cause. Shedding ends when the failures do."},
		{callout.CodeVerifierBusy, callout.Shed, "The maximum number of requests is waiting for this verifier's backend.", "Find out why the backend is slow. Other verifiers are not affected."},
		{callout.CodeRequestExpired, callout.Shed, "The server stopped waiting for an answer before the request arrived.", "If this affects all requests, the clocks of server and usher differ. Run usher check."},

		{callout.CodeNotARequest, callout.Malformed, "The message is not a JWT, not signed by its issuer, or not an authorization request.", ""},
		{callout.CodePlaintext, callout.Malformed, "The request is not sealed, and an xkey is configured.", "Set auth_callout.xkey in the server's configuration."},
		{callout.CodeXKeyMismatch, callout.Malformed, "The xkey in the header is not the one in the signed claims.", ""},
		{callout.CodeServerID, callout.Malformed, "The issuer of the request is not the server that the request names.", ""},
		{callout.CodeAudience, callout.Malformed, "The audience of the request is not the authorization service.", ""},
		{callout.CodeUserNkey, callout.Malformed, "The user nkey in the request is not a public user nkey.", ""},
		{callout.CodeNoReply, callout.Malformed, "The request has no reply subject.", ""},
	}
}

// Metrics returns the codes for package metrics.
func Metrics() []metrics.Code {
	table := All()
	codes := make([]metrics.Code, len(table))
	for i, c := range table {
		codes[i] = metrics.Code{Outcome: string(c.Outcome), Code: c.Code}
	}
	return codes
}
