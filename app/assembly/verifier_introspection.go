package assembly

import (
	"fmt"
	"time"

	"usher/app/config"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/introspection"
)

func introspectionVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	var made []tokens.Verifier
	for i := range in.cfg.Credentials.Introspection {
		c := &in.cfg.Credentials.Introspection[i]
		groups := in.cfg.Keyring.AllowGroupReadable
		v, err := introspection.NewVerifier(introspection.Config{
			Name: c.Name, Authority: identity.Authority(c.Name), URL: c.URL,
			Authentication: introspection.Authentication{
				Method: introspection.Method(c.Authentication), ClientID: c.ClientID,
				ClientSecretFile: c.ClientSecretFile, TokenFile: c.TokenFile,
				KeyFile: c.KeyFile, KeyID: c.KeyID, Algorithm: c.Algorithm, Audience: c.Audience,
				AllowGroupReadable: groups,
			},
			HTTP:          backendHTTP(&c.TLS, &c.Calls, groups),
			Backend:       backendConfig(&c.Cache, &c.Calls, &c.Breaker),
			TokenTypeHint: c.TokenTypeHint,
			Form:          introspection.Form{Prefix: c.Prefix, Pattern: c.Pattern, JWT: c.JWT},
			Rules: introspection.Rules{
				Issuer: c.Issuer, Audiences: c.Audiences, AnyAudience: c.AnyAudience,
				Scopes: c.Scopes, IDClaim: c.IDClaim, Leeway: c.Leeway,
			},
			Now: in.now,
		})
		if err != nil {
			return nil, fmt.Errorf("introspection %s: %w", c.Name, err)
		}
		made = append(made, v)
	}
	return made, nil
}

// backendConfig returns how a verifier asks another system. The verifier sets the name and
// the clock.
func backendConfig(cache *config.BackendCache, calls *config.BackendCalls, breaker *config.BackendBreaker) backend.Config {
	return backend.Config{
		CacheSize: cache.Size, MaxAge: cache.MaxAge, RefusalAge: cache.RefusalAge, Stale: cache.Stale,
		Timeout: calls.Timeout, Concurrency: calls.Concurrency, Retries: calls.Retries,
		Breaker: backend.Breaker{Failures: breaker.Failures, Cooldown: breaker.Cooldown},
	}
}

// backendHTTP returns the connections to another system.
func backendHTTP(files *config.BackendTLS, calls *config.BackendCalls, allowGroupReadable bool) backend.HTTPConfig {
	return backend.HTTPConfig{
		CAFile: files.CAFile, CertFile: files.CertFile, KeyFile: files.KeyFile, AllowGroupReadable: allowGroupReadable,
		Timeout:     calls.Timeout + time.Second, // that of the call decides
		Connections: calls.Concurrency,
	}
}
