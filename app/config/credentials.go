package config

// Credentials configures the kinds of credentials. Each kind has its type in a file of its
// own, credentials_KIND.go, and its verifier in app/assembly/verifier_KIND.go.
type Credentials struct {
	NATSJWT   NATSJWT   `yaml:"natsjwt" doc:"NATS user JWTs of clients (docs/how-to/nats-jwt.md)."`
	Password  Password  `yaml:"password" doc:"User names and passwords of the directory (docs/how-to/nkeys-and-passwords.md)."`
	X509      X509      `yaml:"x509" doc:"Client certificates that nats-server verified (docs/how-to/certificates.md)."`
	Anonymous Anonymous `yaml:"anonymous" doc:"Clients without a credential."`
}
