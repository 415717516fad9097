package apierror

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usher/directory/kv"
)

// These errors follow AMS; the details are usher's.

// Unauthorized refuses a request without a valid key.
func Unauthorized() *Error {
	return newError(http.StatusUnauthorized, "UNAUTHORIZED", "Unauthorized")
}

// Forbidden refuses a request that the caller's roles do not permit.
func Forbidden() *Error {
	return newError(http.StatusForbidden, "FORBIDDEN", "Access to this resource is forbidden")
}

// NotFound says that the resource of the path does not exist. Package rest adds which
// one that is.
func NotFound(kind Kind) *Error {
	e := newError(http.StatusNotFound, "NOT_FOUND", "%s doesn't exist", kind)
	e.Missing = kind
	return e
}

// NotFoundNamed is NotFound of a resource that the path does not name.
func NotFoundNamed(kind Kind, name string) *Error {
	return NotFound(kind).WithDetails("there is no " + kind.Lower() + " " + SafeName(name))
}

// UsersNotFound says which users a project does not have. Who administers the project does
// not learn which of them others have.
func UsersNotFound(project string, names []string) *Error {
	return newError(http.StatusNotFound, "NOT_FOUND", "User(s): %s do not exist", SafeNames(names)).
		WithDetails("an ACL names only members of its project, " + SafeName(project))
}

// AlreadyExists refuses a name that is taken.
func AlreadyExists(kind Kind) *Error {
	return newError(http.StatusConflict, "ALREADY_EXISTS", "%s already exists", kind)
}

// IsAlreadyExists reports whether an error is one of AlreadyExists.
func (e *Error) IsAlreadyExists() bool { return e.Status == "ALREADY_EXISTS" }

// Conflict refuses a change that the current state does not allow.
func Conflict(format string, args ...any) *Error {
	return newError(http.StatusConflict, "CONFLICT", format, args...)
}

// NameUnknown refuses a name that may belong to an entry which cannot be read now.
func NameUnknown(kind Kind) *Error {
	return Conflict("Another %s cannot be read, and may have this name", kind.Lower()).
		WithDetails("usher check names the unreadable entry of the bucket: repair it, remove it, or update usher")
}

// Invalid refuses an argument.
func Invalid(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "INVALID_ARGUMENT", format, args...)
}

// BadRequest refuses a body.
func BadRequest() *Error {
	return newError(http.StatusBadRequest, "BAD_REQUEST", "Invalid Request Body")
}

// What references to resources look like.
const (
	NameFormat = "letters, digits, '-' and '_'"
	HostFormat = "letters, digits, '.', '-' and '_'"
	TopicShape = "projects/PROJECT/topics/TOPIC"
	UUIDShape  = "a UUID, such as 5b3f8f6e-6a0c-4a52-9d0b-6d6f3c1c2a10"

	SessionShape = "SERVER:CLIENT, the public nkey of a nats-server and the number of the connection on it"
)

// InvalidReference refuses the name of a resource that should exist. what is the kind of
// the resource as AMS spells it there, shape says what a name looks like.
func InvalidReference(what, shape string) *Error {
	return Invalid("Invalid %s name", what).WithDetails("expected " + shape)
}

// InvalidNewName refuses the name of a resource that is to be created or renamed. reason
// is the error of directory.CheckName.
func InvalidNewName(what string, reason error) *Error {
	return Invalid("Invalid %s name", what).WithDetails("the name " + reason.Error())
}

// InvalidParameter refuses a query parameter; expected says what it takes.
func InvalidParameter(what, expected string) *Error {
	return Invalid("Invalid %s", what).WithDetails("expected " + expected)
}

// InvalidRole refuses a role, and lists the roles that exist.
func InvalidRole[T ~string](role string, known []T) *Error {
	return Invalid("invalid role: %s", SafeName(role)).WithDetails(OneOf(known))
}

// InvalidProject refuses the name of a project in a body; reason says why.
func InvalidProject(name, reason string) *Error {
	return Invalid("invalid project: %s", SafeName(name)).WithDetails(reason)
}

// NoCertificate refuses a client without a certificate.
func NoCertificate() *Error {
	return newError(http.StatusBadRequest, "BAD_REQUEST", "No certificate provided")
}

// CertificateRefused refuses the certificate of a client.
func CertificateRefused(message string) *Error {
	return newError(http.StatusForbidden, "ACCESS_FORBIDDEN", "%s", message)
}

// BindingNotFound says that no user has a binding of the client's certificate to the
// service of the path.
func BindingNotFound() *Error {
	return newError(http.StatusNotFound, "NOT_FOUND", "Binding was not found")
}

// AckTimeout refuses an acknowledgement that comes too late, or that is for no message which
// waits for one.
func AckTimeout() *Error {
	return newError(http.StatusRequestTimeout, "TIMEOUT", "ack timeout")
}

// MessageTooLarge refuses a message above the limit.
func MessageTooLarge() *Error {
	return newError(http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", "Message size is too large")
}

// VerificationFailed says that a push endpoint does not show its verification hash. The message
// is wire.VerificationFailed with a reason.
func VerificationFailed(message string) *Error {
	return newError(http.StatusUnauthorized, "UNAUTHORIZED", "%s", message)
}

// Errors that AMS does not have.

// NoMessages says that this service serves no messages.
func NoMessages() *Error {
	return failedPrecondition("This service serves no messages").
		WithDetails("api.messages: true in usher.yaml turns them on")
}

// NoStream says that the project has no stream which stores the topic.
func NoStream() *Error {
	return Conflict("Topic has no stream").
		WithDetails("usher makes it with projects.streams: managed; else somebody has to, and usher check tells what is missing")
}

// NoConsumer says that the stream of a project has no consumer of the subscription.
func NoConsumer() *Error {
	return Conflict("Subscription has no consumer").
		WithDetails("usher makes it with projects.streams: managed; else somebody has to, and usher check tells what is missing")
}

// StreamFull refuses messages for which the stream of the project has no space.
func StreamFull(cause error) *Error {
	return newError(http.StatusInsufficientStorage, "INSUFFICIENT_STORAGE", "The stream of the project is full").WithCause(cause)
}

// MessagesUnavailable says that JetStream cannot be asked now.
func MessagesUnavailable(cause error) *Error {
	return newError(http.StatusServiceUnavailable, "UNAVAILABLE", "Messages cannot be reached now").
		WithHeader("Retry-After", "1").WithCause(cause)
}

// PushUnavailable says that nobody can be asked now who pushes.
func PushUnavailable(cause error) *Error {
	return newError(http.StatusServiceUnavailable, "UNAVAILABLE", "The push workers cannot be asked now").WithCause(cause)
}

// KeyUnavailable says that a signing key, which may be in another program, does not sign now.
func KeyUnavailable(cause error) *Error {
	return newError(http.StatusServiceUnavailable, "UNAVAILABLE", "The authorization header cannot be sealed now").WithCause(cause)
}

// LogoutRefused refuses a logout token.
func LogoutRefused(cause error) *Error {
	return newError(http.StatusBadRequest, "BAD_REQUEST", "The logout token is not good").WithCause(cause)
}

// LogoutUnavailable says that a logout token cannot be verified now.
func LogoutUnavailable(cause error) *Error {
	return newError(http.StatusServiceUnavailable, "UNAVAILABLE", "The logout token cannot be verified now").WithCause(cause)
}

// RevocationUnknown says that no CA tells now whether a certificate has been revoked.
func RevocationUnknown(cause error) *Error {
	return newError(http.StatusServiceUnavailable, "UNAVAILABLE", "It cannot be checked now whether your certificate has been revoked").WithCause(cause)
}

// MethodNotAllowed lists the methods that the path has.
func MethodNotAllowed(allowed []string) *Error {
	return newError(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Method not allowed").
		WithDetails("allowed here: "+strings.Join(allowed, ", ")).
		WithHeader("Allow", strings.Join(allowed, ", "))
}

// BodyTooLarge refuses a body above the limit.
func BodyTooLarge() *Error {
	return newError(http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", "Request body is too large")
}

// BodyTimeout refuses a body that did not arrive in time.
func BodyTimeout() *Error {
	return newError(http.StatusRequestTimeout, "TIMEOUT", "Request body timed out")
}

// TooManyRequests refuses a client that may try again after some time.
func TooManyRequests(message string, after time.Duration) *Error {
	seconds := max(1, math.Ceil(after.Seconds()))
	return newError(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "%s", message).
		WithHeader("Retry-After", strconv.Itoa(int(seconds)))
}

// Unavailable says that the directory cannot be reached.
func Unavailable(cause error) *Error {
	return newError(http.StatusServiceUnavailable, "UNAVAILABLE", "The directory cannot be reached now").WithCause(cause)
}

// AccountUnavailable says that an account cannot be verb ("created") now. The same
// request continues what has begun.
func AccountUnavailable(verb string, cause error) *Error {
	return newError(http.StatusServiceUnavailable, "UNAVAILABLE", "The account cannot be %s now", verb).
		WithDetails("what has begun is kept; the same request continues it").WithCause(cause)
}

// DirectoryElsewhere refuses a change of a directory that is not edited over the API; where
// says where it is.
func DirectoryElsewhere(where string) *Error {
	return failedPrecondition("The directory is not changed over this API").WithDetails(where)
}

// NoSessions says that usher cannot ask the servers about sessions, or close them; reason
// says why, if it is known.
func NoSessions(reason error) *Error {
	e := failedPrecondition("The servers cannot be asked about sessions, nor close them")
	if reason != nil {
		e.Details = append(e.Details, reason.Error())
	}
	return e
}

// OtherCount refuses to close n sessions where the caller expected another number.
func OtherCount(n, expected int) *Error {
	return Conflict("The filter now finds %d session(s), not %d", n, expected).WithDetails("nothing was closed")
}

// StreamsUnavailable says that JetStream cannot be asked what a removal would lose.
func StreamsUnavailable(cause error) *Error {
	return newError(http.StatusServiceUnavailable, "UNAVAILABLE", "JetStream cannot be asked now which messages would be lost").
		WithDetails("nothing was removed; purge=true removes it without asking").WithCause(cause)
}

// WouldLose refuses to remove something with which n messages would be lost.
func WouldLose(kind Kind, n uint64) *Error {
	messages := fmt.Sprintf("%d messages", n)
	if n == 1 {
		messages = "1 message"
	}
	what := " would be lost"
	if kind == Subscription {
		what = " that nobody has acknowledged would be lost"
	}
	return failedPrecondition(string(kind)+" has messages").WithDetails(messages+what, "purge=true (usher "+kind.Lower()+" rm --purge) removes it with them")
}

func failedPrecondition(message string) *Error {
	return newError(http.StatusConflict, "FAILED_PRECONDITION", "%s", message)
}

// Internal is a fault of usher.
func Internal(cause error) *Error {
	return newError(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Internal error").WithCause(cause)
}

// shareExhausted refuses a change for which the project has no space left.
func shareExhausted(cause error) *Error {
	return newError(http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "The project has used up its share of the directory").
		WithDetails(
			fmt.Sprintf("entries that its administrators created count, and for %v entries that they removed", kv.MarkerLife),
			"you can still remove entries; a service_admin can add more",
		).WithCause(cause)
}

// directoryFull refuses a change for which the bucket has no space left.
func directoryFull(cause error) *Error {
	return newError(http.StatusInsufficientStorage, "INSUFFICIENT_STORAGE", "The directory is nearly full").
		WithDetails("you can still remove entries; an operator of the NATS servers can raise the limit of the bucket").WithCause(cause)
}

// QuotaReached refuses another resource of a project that has as many as its
// administrators can give it.
func QuotaReached(format string, limit int) *Error {
	return Conflict("The project has "+format, limit).
		WithDetails("its administrators cannot add more; a service_admin can")
}
