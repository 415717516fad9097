// Package wire is the JSON of the management API: what /v1 takes and answers,
// for the server, for the command line, and for programs that speak to it.
//
// The shapes are those of the Argo Messaging Service (AMS) with additions, which
// the comments name. It is a leaf with the standard library only, and decides
// nothing. Names of resources are as AMS has them: a topic is
// "/projects/P/topics/T" in an answer, and "projects/P/topics/T" is taken too.
//
// Times are RFC 3339 in UTC, to the second. Only what was just made holds a key:
// UserCreated and KeyCreated.
package wire
