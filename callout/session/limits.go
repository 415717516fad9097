package session

import (
	"errors"

	"usher/identity"
	"usher/permissions"
)

// ErrCountUncertain: there may be a place, because connections may have ended of which the
// registry has not heard.
var ErrCountUncertain = errors.New("the number of connections is not certain")

// Limits bounds the connections of a user, a key or a project. Its methods return at once.
type Limits interface {
	// Reserve reserves a place for a connection that is about to be granted. An error is the
	// reason why there is none, and ErrCountUncertain if that is not certain. A connection that has a place gets no second one.
	Reserve(id ID, who *identity.Identity, g *permissions.Grant) error
	// Release ends a reservation: the connection is in the registry, or was not granted.
	Release(id ID)
}
