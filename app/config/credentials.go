package config

// Credentials configures the kinds of credentials. Each kind has its type in a file of its
// own, credentials_KIND.go, and its verifier in app/assembly/verifier_KIND.go.
type Credentials struct {
	X509 X509 `yaml:"x509" doc:"Client certificates that nats-server verified (docs/how-to/certificates.md)."`
}
