package config

import (
	"time"

	"usher/app/config/schema"
)

// Introspection is an authorization server whose tokens usher verifies by introspection.
type Introspection struct {
	Name string `yaml:"name" required:"true" rule:"name" hint:"a short name for the authorization server" doc:"Name of the authority in identities, logs, audit and metrics."`
	URL  string `yaml:"url" required:"true" rule:"https-url" hint:"the introspection_endpoint in the metadata of the authorization server" doc:"Introspection endpoint (RFC 7662). usher goes there directly, through no proxy, and follows no redirect."`

	Prefix  string `yaml:"prefix" rule:"line" doc:"With which every token of this authorization server begins, such as gho_. Only such tokens are sent to the endpoint, and one that is not active is denied. Without prefix and pattern, every token of 16 bytes or more is sent that no verifier before knows and that has the form of a bearer token (RFC 6750); a verifier behind may know one that is not active."`
	Pattern string `yaml:"pattern" rule:"line" doc:"Regular expression (RE2) that every token of this authorization server matches as a whole. It has the effect of prefix."`
	JWT     bool   `yaml:"jwt" doc:"Whether tokens in the form of a JWT are sent to the endpoint as well. API keys of usher, health-check tokens and NATS JWTs never are."`

	Authentication   string `yaml:"authentication" required:"true" rule:"one-of=basic|post|private_key_jwt|tls|bearer|none" hint:"how the authorization server authenticates usher, such as basic" doc:"How usher authenticates itself: basic and post with client_id and client_secret_file (RFC 6749 section 2.3.1), private_key_jwt with key_file (RFC 7523), tls with a client certificate (RFC 8705), bearer with token_file. none is for a URL with a loopback address."`
	ClientID         string `yaml:"client_id" rule:"line" hint:"the name of usher as a client of the authorization server" doc:"Client id of usher at the authorization server."`
	ClientSecretFile string `yaml:"client_secret_file" rule:"path" hint:"a file with the client secret" doc:"File with the client secret. usher reads it for each call, and refuses a file that others can read, see keyring.allow_group_readable."`
	TokenFile        string `yaml:"token_file" rule:"path" hint:"a file with the token" doc:"File with a token of usher's own that lets it ask. usher reads it for each call, and refuses a file that others can read."`
	KeyFile          string `yaml:"key_file" rule:"path" hint:"a file with the private key" doc:"File with the private key that signs usher's assertions, as PEM or JWK: RSA of 2048 bits or more, ECDSA or Ed25519. usher refuses a file that others can read."`
	KeyID            string `yaml:"key_id" rule:"line" doc:"kid in the header of the assertions. If empty, that of the JWK."`
	Algorithm        string `yaml:"algorithm" rule:"line" doc:"Algorithm of the assertions, such as PS256. If empty, that of the JWK, or the usual one for the key."`
	Audience         string `yaml:"assertion_audience" rule:"line" doc:"aud of the assertions. If empty, it is url; many authorization servers want their issuer or token endpoint."`
	TokenTypeHint    string `yaml:"token_type_hint" rule:"line" doc:"token_type_hint of the requests, such as access_token. If empty, there is none."`

	Issuer      string        `yaml:"issuer" rule:"line" doc:"iss that a response must have if it has one."`
	Audiences   []string      `yaml:"audiences" default:"[]" rule:"each=line unique" hint:"the audience of tokens for NATS" doc:"Of these, a response must have at least one in aud."`
	AnyAudience bool          `yaml:"any_audience" doc:"Accept tokens for any audience. Whoever gets hold of a token that a user gave to another service can then connect to NATS with it."`
	Scopes      []string      `yaml:"scopes" default:"[]" rule:"each=line unique" doc:"All of these must be in the scope of a response."`
	IDClaim     string        `yaml:"id_claim" default:"sub" rule:"line" doc:"Member of the response that names the client: sub, username, client_id or another."`
	Leeway      time.Duration `yaml:"leeway" default:"30s" rule:"not-negative at-most=10m" doc:"By how much the clock of the authorization server may be ahead, for nbf and iat."`

	Cache   BackendCache   `yaml:"cache" doc:"How long responses are used."`
	Calls   BackendCalls   `yaml:"calls" doc:"Limits of the calls to the endpoint."`
	Breaker BackendBreaker `yaml:"breaker" doc:"When the endpoint is not asked for a while."`
	TLS     BackendTLS     `yaml:"tls" doc:"TLS of the connections to the endpoint."`
}

func introspectionConstraints() []schema.Constraint {
	const at = "credentials.introspection[]."
	return []schema.Constraint{
		schema.ExactlyWith(at+"client_id", at+"authentication", "basic", "post", "private_key_jwt", "tls"),
		schema.ExactlyWith(at+"client_secret_file", at+"authentication", "basic", "post"),
		schema.ExactlyWith(at+"token_file", at+"authentication", "bearer"),
		schema.ExactlyWith(at+"key_file", at+"authentication", "private_key_jwt"),
		schema.OnlyWith(at+"key_id", at+"key_file"),
		schema.OnlyWith(at+"algorithm", at+"key_file"),
		schema.OnlyWith(at+"assertion_audience", at+"key_file"),
		schema.BothOrNeither(at+"tls.cert_file", at+"tls.key_file"),
		schema.NeededIf(at+"authentication", "tls", at+"tls.cert_file"),
		schema.ExactlyOne(at+"audiences", at+"any_audience"),
	}
}
