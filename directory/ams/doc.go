// Package ams reads users, projects, topics, subscriptions and ACLs as the Argo
// Messaging Service (AMS) answers them, and makes a directory of them.
//
// It promises that the users' keys keep working, that a key becomes a digest as
// soon as it is read and stands in no message, that nothing is left out without
// being said, and that every fault is reported with file and path. It never asks
// an AMS: docs/how-to/import-ams.md says how its answers are fetched, and into which files.
package ams
