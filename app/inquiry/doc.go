// Package inquiry joins what is known about one request, for "usher why": its events in the
// audit, its lines in usher's log, what its code means, what the directory has now, and which
// changes came in between.
//
// It promises to change nothing, and that what it says about the directory of then follows
// from the audit and from revisions: it says so where they do not tell. It prints nothing.
package inquiry
