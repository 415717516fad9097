// Package api is the management API over HTTP: /v1 in the shape of the Argo Messaging
// Service (AMS), over a directory that can be changed. docs/reference/divergences.md lists the
// differences.
//
// Routes is the table that the router serves, and that docs/reference/api.md and /v1/openapi.json
// are made from.
//
// The API promises that every change is audited, whatever its outcome; that a change is
// checked against the caller's rights in the snapshot that the change is made on; and that
// no key appears in a log line, an audit entry or an error. It never keeps a key: the
// response that creates a key is the only one that contains it.
//
// To add a route, add its types to package wire, a line to routes.go of the package that
// has the resource, the handler beside it, and a method to package client.
//
// Imports point down this list, never up or sideways except as noted:
//
//	api        joins the routes to one handler; its tests cover the packages below
//	bulk       export and import of the whole directory; imports projects
//	authx509   a short-lived key for the certificate of a client; imports users
//	sessions   live sessions
//	users      users, their keys, members of projects
//	messages   publish, pull and acknowledge over HTTP
//	projects   projects and their accounts, topics, subscriptions, ACLs
//	openapi    the OpenAPI document of a table of routes
//	rest       one request: authentication, body, ETag, pages, change, audit, response
//	apierror   what a failed request is answered with
//	wire       the JSON of requests and responses
//
// Beside them, client calls the API and imports wire alone, and listener serves HTTP
// within limits and knows nothing of the API.
package api
