// Package remote holds what the commands over the management API share: contexts, the
// connection, options, tables, confirmation and the output of new API keys.
//
// It promises that all of these commands take the same options and report errors alike,
// and that an API key comes from a file or stdin and goes to stdout or to a new file with
// mode 0600. It never takes a key from the command line, stores one in a context, or
// sends the key of a context to another server.
package remote
