// Package why has the command usher why: everything that is known about one request.
//
// It promises that it changes nothing, and that a part that cannot be looked at, such as the
// sessions without an API, hides none of the others: the report says how to get it.
package why
