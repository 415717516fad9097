// Package directory is the model of users, projects, topics, subscriptions,
// ACLs and API-key digests, and the immutable Snapshot that requests read.
//
// It promises that what a Snapshot shows is consistent, whatever it was made of:
// every reference resolves, every name that can reach a subject is one token, no
// two projects of an account share a subject. It never keeps an API key, only its
// digest, and a look-up costs what the user has, not what the directory has.
package directory
