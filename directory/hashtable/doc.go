// Package hashtable holds the two hash tables that a directory of a million users
// is made of.
//
// A Table is copy-on-write: a new version shares all nodes that did not change
// with the version that it was copied from, so a change costs microseconds and
// readers of older versions need no lock. An Index is a compact, append-only
// table of numbers.
//
// Neither stores keys. The caller passes the hash and a function that recognises
// the item. Neither is safe for concurrent writers, and neither imports anything
// of a directory.
package hashtable
