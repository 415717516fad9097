// Package sessions returns findings about live sessions: whether the user of the system
// account can do what closing sessions needs and no more, whether the running ushers know
// each other and decide by the same, and which user JWTs servers did not accept.
//
// It changes nothing: it asks each server to close a connection that cannot exist, and tries
// subscriptions. nats-server logs those that the user may not have.
package sessions
