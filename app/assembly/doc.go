// Package assembly makes the parts of a request's way from a configuration: keyring,
// directory, policy, decider, issuer and audit.
//
// The service, usher check and usher explain use the same parts, so that check and
// explain cannot disagree with what the service does. The package starts nothing and
// answers no request.
package assembly
