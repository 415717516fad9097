// Package ams converts responses of the Argo Messaging Service (AMS) into the records of
// a directory: users, projects, topics, subscriptions and ACLs.
//
// It promises that the users' keys keep working, that a key becomes a digest as soon as
// it is read and appears in no message, that everything that is skipped is noted, and
// that every fault is reported with file and path. It never contacts an AMS:
// docs/how-to/import-ams.md says how to fetch the responses, and into which files.
package ams
