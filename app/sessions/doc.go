// Package sessions keeps the registry of live sessions: the connections that usher has
// granted on all servers, by this replica and by others.
//
// The registry is a view that may lag. It never lets anybody in: a request is decided by its
// credential, or by one that is verified again.
package sessions
