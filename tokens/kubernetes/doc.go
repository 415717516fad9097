// Package kubernetes verifies tokens of service accounts by asking the API server of their
// cluster (TokenReview of authentication.k8s.io/v1).
//
// It promises that a token is accepted only if the API server accepts it for a configured
// audience, so also that its pod still exists; and that only an answer which says so
// denies a client.
package kubernetes
