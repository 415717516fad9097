// Package rest takes one request of the management API from arrival to audit: it
// authenticates the caller, checks its roles, decodes the body, calls the handler of
// the route, and writes response, log line and audit entry. Routes and handlers are in
// the packages that import it.
//
// It promises that every change is audited, whatever its outcome; that a change is
// checked against the caller's rights in the snapshot that the change is made on; and that no
// key appears in a response, a log line, an audit entry or an error, except in the
// response that creates it.
//
// It never keeps a key, and knows no resource: a Route says who may call it and what
// it takes.
package rest
