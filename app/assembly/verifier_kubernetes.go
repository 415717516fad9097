package assembly

import (
	"cmp"
	"fmt"
	"path/filepath"

	"usher/app/config"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/kubernetes"
)

const inClusterURL = "https://kubernetes.default.svc"

// tokenReviewVerifiers makes the verifiers of clusters whose API server is asked. Those
// whose keys usher has are in jwtVerifiers.
func tokenReviewVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	var made []tokens.Verifier
	for i := range in.cfg.Credentials.Kubernetes {
		c := &in.cfg.Credentials.Kubernetes[i]
		if c.Mode != config.KubernetesTokenReview {
			continue
		}
		v, err := kubernetes.NewVerifier(kubernetes.Config{
			Authority: identity.Authority(c.Name),
			URL:       cmp.Or(c.Review.URL, inClusterURL),
			TokenFile: cmp.Or(c.Review.TokenFile, filepath.Join(inClusterDir, "token")),
			HTTP: backendHTTP(&config.BackendTLS{CAFile: cmp.Or(c.Review.CAFile, filepath.Join(inClusterDir, "ca.crt"))},
				&c.Review.Calls, in.cfg.Keyring.AllowGroupReadable),
			Issuer: c.Issuer, Audiences: c.Audiences,
			Backend: backendConfig(&c.Review.Cache, &c.Review.Calls, &c.Review.Breaker), Now: in.now,
		})
		if err != nil {
			return nil, fmt.Errorf("kubernetes %s: review.%w", c.Name, err)
		}
		made = append(made, v)
	}
	return made, nil
}
