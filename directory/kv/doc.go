// Package kv keeps a directory in a JetStream key-value bucket: one entry for
// each user, key, project, membership, topic, subscription and ACL.
//
// It promises that a change is made as a whole or not at all, on the directory
// that it was checked against; that every replica which follows the bucket sees
// changes in one order; that the snapshot in use stays when the bucket cannot be
// reached; and that an entry that it cannot read takes no other down. It never
// stores an API key, and decides nothing.
package kv
