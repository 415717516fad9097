// Package wire is the JSON of the management API: the bodies and the responses of /v1, for
// the server, for package client and for other clients written in Go.
//
// The shapes are those of the Argo Messaging Service (AMS); comments name the additions.
// The package imports only the standard library, and contains no logic. Names of resources
// are as in AMS: a response has the topic "/projects/P/topics/T", and a request may omit
// the leading slash.
//
// Times are RFC 3339 in UTC, to the second. Only UserCreated and KeyCreated contain a key,
// in the response that creates it.
package wire
