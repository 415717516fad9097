// Package endpoint checks the addresses of a configuration: whether usher can listen on
// its own, or whether an usher already does; the certificates of the management API and
// of pushes; and the collector of traces and the backends of verifiers, which usher asks.
//
// It returns findings and changes nothing.
package endpoint
