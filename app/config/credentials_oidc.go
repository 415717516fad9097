package config

import (
	"time"

	"usher/app/config/rule"
	"usher/app/config/schema"
)

// TokenTypeAccess is the type of access tokens (RFC 9068).
const TokenTypeAccess = "access"

// OIDC configures an OpenID Connect or OAuth 2.0 provider, or another issuer of JWTs.
type OIDC struct {
	Name           string        `yaml:"name" required:"true" rule:"name" hint:"a short name for the provider, such as keycloak" doc:"Name of the authority, for the rules of identities, logs and metrics."`
	Issuer         string        `yaml:"issuer" required:"true" rule:"line" hint:"the claim iss of its tokens" doc:"Issuer, exactly as the claim iss of its tokens has it. Without keys.url and keys.file it is a URL, below which usher finds the keys by OpenID Connect Discovery."`
	Audiences      []string      `yaml:"audiences" required:"true" default:"[]" rule:"nonempty each=line unique" hint:"what the claim aud of tokens for this NATS system contains" doc:"A token must be for one of these (claim aud). Use one that means this NATS system and nothing else: whoever has a token for it can present it here."`
	TokenType      string        `yaml:"token_type" default:"access" rule:"one-of=access|id|jwt" doc:"Type of the tokens; others are denied. access: access tokens (RFC 9068). id: ID tokens (OpenID Connect). jwt: other JWTs, such as those of CI jobs and SPIFFE's JWT-SVIDs."`
	RequireTyp     bool          `yaml:"require_typ" default:"true" doc:"Whether the header of an access token must have typ: at+jwt. Set it to false for providers that write JWT or nothing; usher then tells ID tokens by their claims."`
	Algorithms     []string      `yaml:"algorithms" default:"[RS256, ES256, EdDSA]" rule:"nonempty each=one-of=RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA|Ed25519 unique" doc:"Algorithms that the provider may sign with. none and HMAC cannot be allowed."`
	Clients        []string      `yaml:"clients" default:"[]" rule:"each=line unique" doc:"Clients that a token may have been issued to (claim client_id, azp or appid; of an ID token azp, or aud if it has none). If empty, an access token or JWT may have been issued to any, and an ID token to one of audiences."`
	RequiredClaims []string      `yaml:"required_claims" default:"[]" rule:"claims" doc:"Claims that a token must have, with their values, such as hd=example.org. A claim that is a list must contain the value; * is any value."`
	Leeway         time.Duration `yaml:"leeway" default:"30s" rule:"not-negative at-most=5m" doc:"Maximum difference between the clocks of the provider and usher: how much longer a token is accepted after exp, and how much earlier before nbf and iat."`
	MaxSize        int           `yaml:"max_size" default:"8192" rule:"between=512..65536" doc:"Maximum size of a token, in bytes. nats-server has a limit as well: max_control_line, 4 KB by default, must be some hundred bytes larger than the token."`

	BackchannelLogout bool          `yaml:"backchannel_logout" default:"false" doc:"Whether usher takes logout tokens of the provider at POST /v1/logout of api.listen (OpenID Connect Back-Channel Logout). It closes the sessions of who has logged out, and refuses tokens that were issued before the logout."`
	LogoutAudiences   []string      `yaml:"logout_audiences" default:"[]" rule:"each=line unique" doc:"A logout token must be for one of these (claim aud): the client IDs with which people log in. If empty, for one of audiences."`
	LogoutLifetime    time.Duration `yaml:"logout_lifetime" default:"24h" rule:"at-least=10m at-most=720h" doc:"Longest lifetime of the tokens that the provider issues for usher: for so long after a logout usher refuses tokens that were issued before it."`

	Keys IssuerKeys `yaml:"keys" doc:"Where the public keys of the provider come from, and how long usher uses them."`
}

// IssuerKeys configures where the public keys of an issuer come from.
type IssuerKeys struct {
	URL             string        `yaml:"url" rule:"https-url" doc:"URL of the keys (JSON Web Key Set)."`
	File            string        `yaml:"file" rule:"path" doc:"File with the keys (JSON Web Key Set), for a site without access to the issuer. usher reads it again when it changes."`
	CAFile          string        `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates to verify the server of the keys with, instead of the root CAs of the system."`
	BearerTokenFile string        `yaml:"bearer_token_file" rule:"path" doc:"File with a bearer token that the server at keys.url wants. usher reads it for each request."`
	CacheDir        string        `yaml:"cache_dir" rule:"path" doc:"Existing directory in which usher keeps the last good keys, in NAME.json with mode 0600, to start while the issuer is out of reach. If empty, keys are in memory alone."`
	Refresh         time.Duration `yaml:"refresh" default:"15m" rule:"at-least=1s at-most=24h" doc:"Interval in which usher fetches the keys."`
	Cooldown        time.Duration `yaml:"cooldown" default:"10s" rule:"at-least=1s at-most=5m" doc:"Minimum time between two fetches, however many tokens name a key that usher does not have. A token that may be signed with a newer key is not answered meanwhile, so that its client tries again."`
	MaxAge          time.Duration `yaml:"max_age" default:"24h" rule:"at-least=1m at-most=720h" doc:"How long usher uses keys that it cannot fetch again. After that it does not answer until it can. During an outage of the issuer a withdrawn key is accepted for as long."`
	Timeout         time.Duration `yaml:"timeout" default:"5s" rule:"at-least=100ms at-most=30s" doc:"Maximum duration of a fetch. A client waits for callout.budget at most."`
}

func oidcConstraints() []schema.Constraint {
	const at = "credentials.oidc[]."
	return append(issuerKeysConstraints(at+"keys."), discoverable(at), typOnlyOfAccessTokens(at),
		schema.OnlyWith(at+"logout_audiences", at+"backchannel_logout"), schema.OnlyWith(at+"backchannel_logout", "api.listen"))
}

// issuerKeysConstraints are those of a section IssuerKeys.
func issuerKeysConstraints(at string) []schema.Constraint {
	var all []schema.Constraint
	for _, key := range []string{"url", "ca_file", "bearer_token_file", "cache_dir"} {
		all = append(all, schema.AtMostOne([]string{at + "file"}, []string{at + key}))
	}
	return append(all, schema.OnlyWith(at+"bearer_token_file", at+"url"))
}

// discoverable: an issuer whose keys are discovered is a URL.
func discoverable(at string) schema.Constraint {
	issuer, url, file := at+"issuer", at+"keys.url", at+"keys.file"
	check := func(v *schema.Values) []schema.Fault {
		if v.IsSet(url) || v.IsSet(file) || !v.IsSet(issuer) {
			return nil
		}
		message, _ := rule.CheckHTTPSURL(v.String(issuer))
		if message == "" {
			return nil
		}
		return []schema.Fault{{Key: issuer, Message: message, Hint: "usher finds the keys below it; or set " + url + " or " + file}}
	}
	return schema.Constraint{Keys: []string{issuer, url, file}, Text: "Without `" + url + "` and `" + file + "`, `" + issuer + "` is a URL with scheme `https`, or `http` and a loopback address.", Check: check}
}

// typOnlyOfAccessTokens: only access tokens can do without their typ.
func typOnlyOfAccessTokens(at string) schema.Constraint {
	required, kind := at+"require_typ", at+"token_type"
	check := func(v *schema.Values) []schema.Fault {
		if v.IsSet(required) || v.String(kind) == TokenTypeAccess {
			return nil
		}
		return []schema.Fault{{Key: required, Message: "is false, but " + kind + " is " + v.String(kind), Hint: "leave it out: it is about access tokens"}}
	}
	return schema.Constraint{Keys: []string{required, kind}, Text: "Set `" + required + "` to false only if `" + kind + "` is `access`.", Check: check}
}
