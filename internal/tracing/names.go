package tracing

import "go.opentelemetry.io/otel/attribute"

// SpanAuthorize is the name of the span of an authorization request. The span of an API
// request is named by its method and route.
const SpanAuthorize = "authorize"

// Names of the steps of an authorization request, in their order.
const (
	StepReceive      = "receive"      // from the arrival to its place in the queue
	StepAdmit        = "admit"        // the wait in the queue
	StepOpen         = "open"         // unseal and parse
	StepAuthenticate = "authenticate" // the server that signed the request
	StepVerify       = "verify"       // credential to identity
	StepDerive       = "derive"       // identity to grant
	StepIssue        = "issue"        // grant to user JWT
	StepSeal         = "seal"         // encrypt the answer
	StepRespond      = "respond"      // publish the answer
	StepRecord       = "record"       // audit, log and metrics
)

// StepNames returns the names of all steps, in their order.
func StepNames() []string {
	return []string{
		StepReceive, StepAdmit, StepOpen, StepAuthenticate, StepVerify, StepDerive, StepIssue, StepSeal, StepRespond, StepRecord,
	}
}

// Keys of attributes. Those without the prefix usher are of the semantic conventions of
// OpenTelemetry, or in their manner.
const (
	KeyRequestID = attribute.Key("usher.request_id") // as in audit and log
	KeyOutcome   = attribute.Key("usher.outcome")
	KeyCode      = attribute.Key("usher.code")
	KeyUser      = attribute.Key("usher.user")
	KeyAuthority = attribute.Key("usher.authority")
	KeyRule      = attribute.Key("usher.rule")
	KeyMethod    = attribute.Key("usher.method")
	KeyVerifier  = attribute.Key("usher.verifier")
	KeyAccount   = attribute.Key("usher.account")

	KeyServerName    = attribute.Key("nats.server.name")
	KeyServerID      = attribute.Key("nats.server.id")
	KeyClientAddress = attribute.Key("client.address")
	KeyClientID      = attribute.Key("nats.client.id")
	KeyClientKind    = attribute.Key("nats.client.kind")

	KeyHTTPMethod = attribute.Key("http.request.method")
	KeyHTTPRoute  = attribute.Key("http.route")
	KeyHTTPStatus = attribute.Key("http.response.status_code")
	KeyOperation  = attribute.Key("usher.operation") // name of the route, as in audit and log
)

// Keys returns the keys of all attributes.
func Keys() []attribute.Key {
	return []attribute.Key{
		KeyRequestID, KeyOutcome, KeyCode, KeyUser, KeyAuthority, KeyRule, KeyMethod, KeyVerifier, KeyAccount,
		KeyServerName, KeyServerID, KeyClientAddress, KeyClientID, KeyClientKind,
		KeyHTTPMethod, KeyHTTPRoute, KeyHTTPStatus, KeyOperation,
	}
}
