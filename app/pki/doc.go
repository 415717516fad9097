// Package pki is a small certification authority, for trying usher out and for tests: a
// root CA, and the certificates of servers and clients that it signs.
//
// It promises that every private key is created in a file of mode 0600, and that a
// certificate ends no later than its CA. It revokes nothing, and is no replacement for the
// CA of an organization.
package pki
