// Package manage implements the commands that manage the directory over the API: user,
// key, project, member, topic, subscription, acl and directory.
//
// It promises that a command changes only what its options and arguments name, and that
// it asks before it removes more than that. It never reads or writes the directory itself,
// except for "project" with a directory that is a file, where it prints what to edit.
package manage
