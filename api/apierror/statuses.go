package apierror

import "net/http"

// Status is one kind of error, as docs/reference/api.md lists it.
type Status struct {
	Code    int    // HTTP status
	Name    string // error.status
	Meaning string
}

// Statuses lists every kind of error, in the order of the documents.
func Statuses() []Status {
	return []Status{
		{http.StatusBadRequest, "BAD_REQUEST", "The body does not have the shape that the route takes, or a logout token is not good. The log gives the reason; that there is no key, at level debug."},
		{http.StatusBadRequest, "INVALID_ARGUMENT", "A name, a parameter or a value in the body is invalid, or the change would break a rule of the directory."},
		{http.StatusUnauthorized, "UNAUTHORIZED", "The request has no key, or an invalid one: unknown, mistyped, expired, disabled, not yet valid, or from a network that the key does not allow. The log gives the reason."},
		{http.StatusForbidden, "FORBIDDEN", "The key is valid, but no role of its user permits the request, or the ACL of the topic or subscription does not name the user. The answer does not say which; the log, and for changes and messages the audit, have it under the `request_id`."},
		{http.StatusForbidden, "ACCESS_FORBIDDEN", "The client certificate is not of a CA that is accepted, has expired, is not active yet or has been revoked; or the binding may not be used: it is disabled, not valid at this time or from this address, or its user is disabled. The log gives the reason."},
		{http.StatusNotFound, "NOT_FOUND", "The resource does not exist. Only a valid key learns whether a project exists."},
		{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "The path has other methods; `Allow` lists them."},
		{http.StatusRequestTimeout, "TIMEOUT", "The body did not arrive in time; or `ack timeout`: an ack id is not one of the subscription, or its ack deadline has passed."},
		{http.StatusConflict, "ALREADY_EXISTS", "The name is taken."},
		{http.StatusConflict, "CONFLICT", "`If-Match` names another revision than the current one, which `ETag` contains; or the current state does not allow the change."},
		{http.StatusConflict, "FAILED_PRECONDITION", "This installation does not have what the request needs, and the same request fails again: the directory is a file, which is edited where it is; or it serves no messages (`api.messages`); or usher has no user of the system account with which it could ask the servers about sessions. Also: messages would be lost with what is to be removed, and the request does not say `purge=true`."},
		{http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", "The body or a message is too large."},
		{http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "This address sent too many invalid keys, certificates or logout tokens, or this user too many requests that its roles do not permit; `Retry-After` is in seconds. A valid key is never rejected for this reason, and neither is a request that its roles permit. With a client certificate also: its binding has as many keys as it may have at a time (`api.x509.max_keys`); `Retry-After` says when the first of them ends. With messages: too many requests of the key or the project are in progress, or their messages take all memory (`api.message_memory`)."},
		{http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "The administrators of the project have used up its share of the directory (`directory.max_project_bytes`) with entries they created, and with entries they removed within the last day. You can still remove entries, and make changes that add no bytes; the limit does not apply to a service_admin."},
		{http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "usher has a fault. The log has the cause under the request id."},
		{http.StatusInsufficientStorage, "INSUFFICIENT_STORAGE", "The bucket of the directory is nearly full: you can still remove entries, and make changes that add no bytes. Or the stream of the project is full."},
		{http.StatusServiceUnavailable, "UNAVAILABLE", "The directory cannot be read or changed now, or JetStream does not answer (for messages with `Retry-After`), or no CA tells whether a client certificate has been revoked, or the keys of the provider of a logout token cannot be fetched. The change may have been made: read the resource before you try again."},
	}
}
