// Package bans finds the bans of a request: of a user, a key, a credential, a network, an MQTT
// client id or an identity.
//
// It promises that a look-up takes no lock and no memory to speak of, and that a ban which has
// ended is not found. It never decides what a ban means.
package bans
