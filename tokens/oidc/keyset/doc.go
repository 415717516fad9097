// Package keyset keeps the public keys of one authority (JSON Web Key Set, RFC 7517)
// where verifiers find them without waiting.
//
// It fetches them before they age, and at most once per cooldown for keys that are not
// there, however many tokens name such keys. It says that a key does not exist only if it
// has a key set that is newer than the token: until then a token may be signed with a key
// that the authority has just begun to use. While the authority is out of reach the last
// good set is used for a bounded time, also after a restart.
package keyset
