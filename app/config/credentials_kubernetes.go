package config

import (
	"time"

	"usher/app/config/schema"
)

// Modes of a Kubernetes.
const (
	KubernetesJWKS        = "jwks"
	KubernetesTokenReview = "token_review"
)

// Kubernetes configures a cluster whose service accounts are clients.
type Kubernetes struct {
	Name      string           `yaml:"name" required:"true" rule:"name" hint:"a short name for the cluster" doc:"Name of the authority, for the rules of identities, logs and metrics."`
	Mode      string           `yaml:"mode" default:"jwks" rule:"one-of=jwks|token_review" doc:"jwks: usher verifies the tokens itself, with the cluster's keys. A token of a pod that is gone is accepted until it expires. token_review: usher asks the API server, which refuses tokens of pods that are gone."`
	Audiences []string         `yaml:"audiences" required:"true" default:"[]" rule:"nonempty each=line unique" hint:"the audience of the projected tokens for this NATS system" doc:"A token must be for one of these. Give the pods a projected token with an audience of its own, such as nats: a token for the API server, if usher accepted it, would be worth more to whoever steals it."`
	Issuer    string           `yaml:"issuer" rule:"line" hint:"the cluster's --service-account-issuer" doc:"The issuer of the cluster, exactly as the claim iss of its tokens has it, such as https://kubernetes.default.svc.cluster.local. With mode: token_review it may be empty: then every JWT that no verifier before knows is sent to the API server."`
	Leeway    time.Duration    `yaml:"leeway" default:"30s" rule:"not-negative at-most=5m" doc:"With mode: jwks, maximum difference between the clocks of the cluster and usher."`
	Review    KubernetesReview `yaml:"review" doc:"With mode: token_review, how usher asks the API server."`
	Keys      IssuerKeys       `yaml:"keys" doc:"With mode: jwks, where the public keys of the cluster come from. If neither url nor file is set, from the API server of the cluster in which usher runs, with the CA and the token of its own service account."`
}

// KubernetesReview configures TokenReview.
type KubernetesReview struct {
	URL       string         `yaml:"url" rule:"https-url" doc:"URL of the API server. If empty, that of the cluster in which usher runs: https://kubernetes.default.svc."`
	CAFile    string         `yaml:"ca_file" rule:"path" doc:"PEM file with the CA of the API server. usher reads it for each call. If empty, the one that Kubernetes mounts into usher's pod."`
	TokenFile string         `yaml:"token_file" rule:"path" doc:"File with the token of a service account that may create TokenReviews (cluster role system:auth-delegator). usher reads it for each call. If empty, the one that Kubernetes mounts into usher's pod."`
	Cache     BackendCache   `yaml:"cache" doc:"How long answers are used. The token of a pod that is gone lets clients connect for max_age."`
	Calls     BackendCalls   `yaml:"calls" doc:"Limits of the calls to the API server."`
	Breaker   BackendBreaker `yaml:"breaker" doc:"When the API server is not asked for a while."`
}

func kubernetesConstraints() []schema.Constraint {
	const at = "credentials.kubernetes[]."
	all := issuerKeysConstraints(at + "keys.")
	all = append(all, schema.NeededIf(at+"mode", KubernetesJWKS, at+"issuer"))
	for _, key := range []string{"url", "ca_file", "token_file"} {
		all = append(all, schema.OnlyIf(at+"review."+key, at+"mode", KubernetesTokenReview))
	}
	for _, key := range []string{"url", "file", "ca_file", "bearer_token_file", "cache_dir"} {
		all = append(all, schema.OnlyIf(at+"keys."+key, at+"mode", KubernetesJWKS))
	}
	return all
}
