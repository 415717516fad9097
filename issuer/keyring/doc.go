// Package keyring keeps the keyring directory: seed files, and keyring.yaml,
// which says what each key is for and where a rotation stands. It makes an
// issuer.Keyring of it, and makes it again when the directory changes.
//
// It promises that what is broken or unreadable changes nothing: the last good
// keyring stays. Secrets are in the seed files only, which nobody but their
// owner (or group, if that is allowed) can read; no error holds one.
package keyring
