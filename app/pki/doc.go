// Package pki is a small certification authority, for trying usher out and for tests: a
// root CA, and the certificates of servers and clients that it signs. Dir keeps both in a
// folder.
//
// It promises that every private key is created in a file of mode 0600 and replaced by a
// renewal only, that a certificate ends no later than its CA, and that a renewal which a
// crash interrupts is finished by the next one. It revokes nothing, and is no replacement
// for the CA of an organization.
package pki
