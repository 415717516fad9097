package assembly

import (
	"fmt"
	"path/filepath"
	"strings"

	"usher/app/config"
	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/oidc"
	"usher/tokens/oidc/keyset"
)

// The API server as pods see it, and what Kubernetes mounts into them.
const (
	inClusterKeys = inClusterURL + "/openid/v1/jwks"
	inClusterDir  = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// jwtVerifiers makes one verifier for the lists oidc and kubernetes (by JWKS): it finds
// the authority of a token by its issuer, so that the token is read once.
func jwtVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	var authorities []oidc.Authority
	for i := range in.cfg.Credentials.OIDC {
		c := &in.cfg.Credentials.OIDC[i]
		keys, err := issuerKeys(c.Name, c.Issuer, &c.Keys)
		if err != nil {
			return nil, fmt.Errorf("oidc[%d].keys: %w", i, err)
		}
		authorities = append(authorities, oidc.Authority{
			Name: c.Name, Issuer: c.Issuer, TokenType: oidc.TokenType(c.TokenType), AnyTyp: !c.RequireTyp,
			Audiences: c.Audiences, Algorithms: c.Algorithms, Clients: c.Clients, Required: requiredClaims(c.RequiredClaims),
			Leeway: c.Leeway, MaxSize: c.MaxSize, Logout: c.BackchannelLogout, LogoutAudiences: c.LogoutAudiences, Keys: keys,
		})
	}
	for i := range in.cfg.Credentials.Kubernetes {
		c := &in.cfg.Credentials.Kubernetes[i]
		if c.Mode != config.KubernetesJWKS {
			continue
		}
		of := c.Keys
		if of.URL == "" && of.File == "" {
			of.URL, of.BearerTokenFile = inClusterKeys, filepath.Join(inClusterDir, "token")
			if of.CAFile == "" {
				of.CAFile = filepath.Join(inClusterDir, "ca.crt")
			}
		}
		keys, err := issuerKeys(c.Name, c.Issuer, &of)
		if err != nil {
			return nil, fmt.Errorf("kubernetes[%d].keys: %w", i, err)
		}
		authorities = append(authorities, oidc.Authority{
			Name: c.Name, Issuer: c.Issuer, TokenType: oidc.TypeKubernetes,
			Audiences: c.Audiences, Leeway: c.Leeway, Keys: keys,
		})
	}
	if len(authorities) == 0 {
		return nil, nil
	}
	v, err := oidc.NewVerifier(authorities, in.now)
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	return []tokens.Verifier{v}, nil
}

// requiredClaims splits entries CLAIM=VALUE. The configuration has validated their form.
func requiredClaims(entries []string) map[string]string {
	claims := map[string]string{}
	for _, entry := range entries {
		name, value, _ := strings.Cut(entry, "=")
		claims[name] = value
	}
	return claims
}

func issuerKeys(name, issuer string, c *config.IssuerKeys) (keyset.Config, error) {
	k := keyset.Config{Refresh: c.Refresh, Cooldown: c.Cooldown, Timeout: c.Timeout}
	if c.File != "" {
		k.Source = keyset.File{Path: c.File}
		return k, nil
	}
	client, err := backend.NewHTTPClient(backend.HTTPConfig{CAFile: c.CAFile, Timeout: c.Timeout})
	if err != nil {
		return k, err
	}
	k.Source = &keyset.HTTP{Client: client, URL: c.URL, Issuer: issuer, TokenFile: c.BearerTokenFile}
	k.MaxAge = c.MaxAge
	if c.CacheDir != "" {
		k.Cache = &keyset.Cache{Path: filepath.Join(c.CacheDir, name+".json"), Issuer: issuer, MaxAge: c.MaxAge}
	}
	return k, nil
}
