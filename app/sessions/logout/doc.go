// Package logout acts on the logout tokens of identity providers (OpenID Connect Back-Channel
// Logout 1.0): it refuses what was issued to somebody before the logout, by a ban of the
// directory. Whoever closes sessions after a change of the directory so closes theirs.
//
// It promises that a token which comes again changes nothing, that what is issued later is
// good, and that the bans of one authority are bounded. It never verifies a token by itself.
package logout
