// Package api is the management API over HTTP: /v1 in the shape of the Argo
// Messaging Service (AMS), over a directory that can be changed.
//
// Routes is the table that everything is made from: what the router serves, who
// may call what, docs/reference/api.md and /v1/openapi.json. The package promises that a
// change is audited whatever becomes of it, that who asks is looked up in the
// snapshot that the change is made on, and that no key stands in a log, an audit
// or an error. It never keeps a key: one is shown when it is made, and forgotten.
//
// Where it does otherwise than AMS stands in docs/reference/divergences.md.
package api
