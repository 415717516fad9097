// Package authx509 gives a client with a certificate a short-lived API key of the user to
// whom a binding of the directory gives that certificate, as argo-api-authn does for the
// Argo Messaging Service (AMS).
//
// It promises that a key is made only for a certificate whose private key the client has
// (TLS proves it), that a configured CA vouches for, that is valid now and is not known to
// be revoked; that the key ends no later than the certificate and the binding, and may be
// used from the networks of the binding only; and that a binding has a bounded number of
// such keys, on all replicas together.
package authx509
