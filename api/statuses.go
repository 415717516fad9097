package api

import "net/http"

// Status is one kind of failure, as docs/reference/api.md lists it.
type Status struct {
	Code    int
	Name    string // error.status
	Meaning string
}

// Statuses lists every kind of failure, in the order in which documents show it.
func Statuses() []Status {
	return []Status{
		{http.StatusBadRequest, "BAD_REQUEST", "The body is not what the route takes."},
		{http.StatusBadRequest, "INVALID_ARGUMENT", "A name, a parameter or a value in the body is wrong, or a rule of the directory would be broken."},
		{http.StatusUnauthorized, "UNAUTHORIZED", "There is no key, or it is not let in: unknown, mistyped, expired, disabled, too early, or from another network. The log says which."},
		{http.StatusForbidden, "FORBIDDEN", "The key is good, and its user has no role that may do this."},
		{http.StatusNotFound, "NOT_FOUND", "It does not exist. Whether a project does is told to holders of a good key only."},
		{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "The path is there for other methods, which `Allow` lists."},
		{http.StatusRequestTimeout, "TIMEOUT", "The body did not come in time."},
		{http.StatusConflict, "ALREADY_EXISTS", "The name is taken."},
		{http.StatusConflict, "CONFLICT", "`If-Match` names another revision than the current one, which `ETag` has; or something else is in the way."},
		{http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", "The body is too large."},
		{http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "Too many bad keys came from this address, or too many requests of this user that it may not make; `Retry-After` says in how many seconds to try again. A good key is let in all the same, and does what it may."},
		{http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "The administrators of the project have used up its share of the directory (`directory.max_project_bytes`) with what they have made, and with what they have removed within the last day. Removals, and changes that make nothing longer, are still made; a service_admin is not bound to the share."},
		{http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "A fault of usher, which the log tells under the request id."},
		{http.StatusInsufficientStorage, "INSUFFICIENT_STORAGE", "The bucket of the directory is nearly full. Removals, and changes that make nothing longer, are still made."},
		{http.StatusServiceUnavailable, "UNAVAILABLE", "The directory cannot be read or changed now. A change that was answered so may have been made: look before you try again."},
	}
}
