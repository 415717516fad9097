// Package endpoint checks the addresses that usher listens on: whether it can listen
// there, or whether an usher already does, and the certificate of the management API.
//
// It returns findings and changes nothing.
package endpoint
