package config

// Credentials configures the kinds of credentials. Each kind has its type in a file of its
// own, credentials_KIND.go, and its verifier in app/assembly/verifier_KIND.go.
type Credentials struct{}
