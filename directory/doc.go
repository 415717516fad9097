// Package directory is the model of users, projects, topics, subscriptions, ACLs and
// API-key digests: the records of a whole directory, the entries of a directory that
// is stored entry by entry, and the facts about one user.
//
// It promises that a name which passes its checks is one token of a subject, and that
// the key of an entry has one spelling. It never holds an API key, only its digest,
// and it does no I/O.
//
// The packages below it, in the order of their imports:
//
//   - hashtable and yield: copy-on-write hash tables, and cooperative scheduling for
//     long loops
//   - validation: the rules that records have to keep
//   - snapshot: the immutable index of a directory that requests read, and how
//     entries change it
//   - file, kv: stores that keep a directory in a YAML file and in a JetStream
//     key-value bucket; conformance holds the tests for both
//   - ams, transfer: reading an export of AMS, and moving records into a store
package directory
