// Package pushserver is the PushService of the Argo Messaging Service over gRPC with mutual
// TLS: by it a messaging service tells usher which subscriptions it pushes.
//
// It promises that nobody is served whose own certificate does not have exactly one common
// name, which is one of those allowed byte by byte, and that nothing but names of the form of
// AMS reaches the registry. It does not push; whoever has the registry's list does.
package pushserver
