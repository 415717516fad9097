// Package nkey implements "usher nkey", which creates, lists and rotates the keys that
// usher and the servers use.
//
// It promises that seeds go only to files with mode 0600, and that a key is retired only
// when nothing depends on it, unless --now is given. It never prints a seed, and changes
// no server's configuration file.
package nkey
