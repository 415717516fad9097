// Package keyring reads and writes the keyring directory: seed files, and keyring.yaml,
// which records the purpose of each key and the progress of a rotation. It loads an
// issuer.Keyring from it, and reloads it when the directory changes.
//
// It promises that an invalid or unreadable directory changes nothing: the last good
// keyring stays in use. Secrets are only in the seed files, which only their owner (or
// group, if allowed) can read. No error contains a secret.
package keyring
