// Package kv keeps a directory in a JetStream key-value bucket: one entry for each
// user, key, project, membership, topic, subscription and ACL.
//
// It promises that a change is committed as a whole or not at all, on the directory
// that it was checked against; that every replica that follows the bucket sees changes
// in the same order; that the snapshot in use stays while the bucket cannot be reached;
// and that an unreadable entry does not affect the others. It never stores an API key,
// and it makes no decision about a request.
//
// The packages below it: envelope is the stored form of an entry, fair keeps writers
// from starving, quota counts bytes, and diskcache keeps the last good snapshot in a
// file.
package kv
