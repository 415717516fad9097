package config

import (
	"time"

	"usher/app/config/schema"
)

// APIX509 configures the listener on which clients with certificates get API keys.
type APIX509 struct {
	Listen       string        `yaml:"listen" rule:"listen" doc:"Address at which a client with a certificate gets a short-lived API key, as argo-api-authn of the Argo Messaging Service gives it (GET /v1/service-types/{type}/hosts/{host}:authx509). Bindings say which user that is (usher user binding add). Nothing else is served there. TLS has to end at usher, and not at a proxy. If empty, the listener is off."`
	TLS          APITLS        `yaml:"tls" doc:"TLS of this listener."`
	ClientCAFile string        `yaml:"client_ca_file" rule:"path" doc:"PEM file with the CA certificates that vouch for clients. usher reads it at the start."`
	KeyLifetime  time.Duration `yaml:"key_lifetime" default:"1h" rule:"at-least=1m at-most=24h" doc:"How long such a key is valid. It ends sooner if the certificate or the binding does."`
	MaxKeys      int           `yaml:"max_keys" default:"16" rule:"between=1..1000" doc:"Maximum number of such keys of one binding that are valid at a time, on all usher instances together. Above that, clients get 429 until a key ends."`
	Revocation   Revocation    `yaml:"revocation" doc:"Whether certificates have been revoked."`
}

func apiX509Constraints() []schema.Constraint {
	const at = "api.x509."
	all := []schema.Constraint{
		unsetWith(at+"listen", DirectoryFile, "usher cannot write keys into a file; usher directory import copies the file into a bucket"),
		schema.BothOrNeither(at+"listen", at+"tls.cert_file"),
		schema.BothOrNeither(at+"tls.cert_file", at+"tls.key_file"),
		schema.BothOrNeither(at+"listen", at+"client_ca_file"),
	}
	return append(all, revocationConstraints(at+"revocation.")...)
}
