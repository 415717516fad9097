package config

import (
	"time"

	"usher/app/config/schema"
)

// Off is the value of credentials.x509.identity and of check in Revocation that turns it
// off.
const Off = "off"

// X509 configures client certificates as credentials.
type X509 struct {
	Identity     string     `yaml:"identity" default:"off" rule:"one-of=off|cn|dns|email|uri|spiffe|subject" doc:"What a client is known by. cn: the common name of the subject, of which there must be one. dns, email, uri: the subject alternative name of this kind. spiffe: the SPIFFE ID, which is the only URI of the certificate. These identities need a rule in identities. subject: the subject, in the form of the Argo Messaging Service; it belongs to the user of the directory who has a key of kind certificate with it. off: certificates are not credentials. nats-server must verify them (verify: true in its tls block)."`
	Name         string     `yaml:"name" default:"x509" rule:"name" doc:"Name of the authority of these identities, for the rules of identities. With identity: subject, it is directory."`
	SeveralNames bool       `yaml:"several_names" doc:"Accept a certificate with several names of the kind, and use the first one. Otherwise it is denied."`
	TrustDomains []string   `yaml:"trust_domains" default:"[]" rule:"each=line unique" doc:"Trust domains whose SPIFFE IDs are accepted, such as example.org."`
	CAFile       string     `yaml:"ca_file" rule:"path" doc:"PEM file with CA certificates, of roots or of intermediate CAs. One of them must be in the chain of a client. If empty, every CA that nats-server trusts may vouch for clients."`
	WithToken    string     `yaml:"with_token" default:"ignore" rule:"one-of=ignore|agree|alone" doc:"What happens if a client with a certificate presents a token, a password or a signature besides. ignore: the certificate is ignored. agree: both must be valid, and of the same user or identity. alone: it is denied."`
	AgreeOn      string     `yaml:"agree_on" rule:"line" doc:"With agree: path of the fact about the token that must be equal to the name in the certificate (with identity: subject, to the name of its user), such as claims.azp. If empty, the name of the token's user, or the ID that its authority gives it."`
	Revocation   Revocation `yaml:"revocation" doc:"Whether certificates have been revoked."`
}

// Revocation configures how usher finds out that a certificate has been revoked.
type Revocation struct {
	Check         string        `yaml:"check" default:"off" rule:"one-of=off|crl|ocsp|crl_or_ocsp" doc:"off: usher does not check. crl: certificate revocation lists, from crl_files, or from the distribution points in the certificate. ocsp: the OCSP responder. crl_or_ocsp: the responder, if no list tells."`
	Unreachable   string        `yaml:"unreachable" default:"unavailable" rule:"one-of=unavailable|deny|allow" doc:"What happens if nothing tells whether a certificate has been revoked. unavailable: usher does not answer, so the client tries again. deny: it is denied. allow: it counts as not revoked; somebody who can block the requests to the CA can then use a revoked certificate."`
	CRLFiles      []string      `yaml:"crl_files" default:"[]" rule:"paths" doc:"Files with certificate revocation lists, in PEM or DER. usher reads them again when they change."`
	OCSPResponder string        `yaml:"ocsp_responder" rule:"line" doc:"URL of the OCSP responder for all certificates, with scheme http or https. If empty, usher asks the responder in the certificate, if hosts allows it."`
	Hosts         []string      `yaml:"hosts" default:"[]" rule:"each=line unique" doc:"Hosts that usher may ask because a certificate names them, as HOST (ports 80 and 443) or HOST:PORT."`
	Timeout       time.Duration `yaml:"timeout" default:"1s" rule:"at-least=10ms at-most=30s" doc:"Duration of one request to a CA. A client waits for callout.budget."`
	Refresh       time.Duration `yaml:"refresh" default:"1h" rule:"at-least=1m at-most=168h" doc:"How often usher fetches again what it uses. A list or a response is never used after its nextUpdate."`
	MaxCRLBytes   int           `yaml:"max_crl_bytes" default:"16777216" rule:"between=1024..268435456" doc:"Maximum size of a certificate revocation list, in bytes."`
}

func x509Constraints() []schema.Constraint {
	const at = "credentials.x509."
	all := []schema.Constraint{
		schema.ExactlyWith(at+"trust_domains", at+"identity", "spiffe"),
		schema.OnlyIf(at+"several_names", at+"identity", "dns", "email", "uri"),
		schema.OnlyIf(at+"agree_on", at+"with_token", "agree"),
		schema.OnlyIf(at+"ca_file", at+"identity", "cn", "dns", "email", "uri", "spiffe", "subject"),
	}
	return append(all, revocationConstraints(at+"revocation.")...)
}

// revocationConstraints are those of a section Revocation.
func revocationConstraints(at string) []schema.Constraint {
	return []schema.Constraint{
		schema.OnlyIf(at+"crl_files", at+"check", "crl", "crl_or_ocsp"),
		schema.OnlyIf(at+"ocsp_responder", at+"check", "ocsp", "crl_or_ocsp"),
		schema.OnlyIf(at+"hosts", at+"check", "crl", "ocsp", "crl_or_ocsp"),
	}
}
