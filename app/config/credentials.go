package config

import (
	"slices"

	"usher/app/config/schema"
)

// Credentials configures the kinds of credentials. Each kind has its type in a file of its
// own, credentials_KIND.go, and its verifier in app/assembly/verifier_KIND.go.
type Credentials struct {
	OIDC          []OIDC          `yaml:"oidc" default:"[]" rule:"unique-names" doc:"OpenID Connect and OAuth 2.0 providers, and other issuers of JWTs, whose tokens usher verifies (docs/how-to/oidc.md)."`
	Kubernetes    []Kubernetes    `yaml:"kubernetes" default:"[]" rule:"unique-names" doc:"Kubernetes clusters whose service accounts are clients (docs/how-to/kubernetes.md)."`
	Introspection []Introspection `yaml:"introspection" default:"[]" rule:"unique-names" doc:"Authorization servers whose opaque tokens usher verifies by introspection (docs/how-to/introspection.md)."`
	NATSJWT       NATSJWT         `yaml:"natsjwt" doc:"NATS user JWTs of clients (docs/how-to/nats-jwt.md)."`
	Password      Password        `yaml:"password" doc:"User names and passwords of the directory (docs/how-to/nkeys-and-passwords.md)."`
	X509          X509            `yaml:"x509" doc:"Client certificates that nats-server verified (docs/how-to/certificates.md)."`
	Webhook       []Webhook       `yaml:"webhook" default:"[]" rule:"unique-names" doc:"HTTP endpoints of your own that verify credentials (docs/how-to/webhook.md)."`
	Automate      []Automate      `yaml:"automate" default:"[]" rule:"unique-names" doc:"Chef Automates whose authn-service and authz-service decide about tokens (docs/how-to/automate.md)."`
	Anonymous     Anonymous       `yaml:"anonymous" doc:"Clients without a credential."`
}

// credentialConstraints are the constraints of all kinds.
func credentialConstraints() []schema.Constraint {
	return slices.Concat(
		[]schema.Constraint{authorityNames()},
		oidcConstraints(),
		kubernetesConstraints(),
		introspectionConstraints(),
		natsJWTConstraints(),
		x509Constraints(),
		webhookConstraints(),
	)
}
