// Package x509 verifies clients by the TLS certificate that nats-server verified in the
// handshake.
//
// It promises that a certificate counts only in a chain that nats-server verified; that
// every certificate is parsed once as long as it is in a bounded cache, so that a storm of
// reconnects does not parse it again; and that a certificate with a fault is rejected, and
// never taken for another one. It does not check signatures: nats-server has.
package x509
