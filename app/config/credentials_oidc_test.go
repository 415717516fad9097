package config_test

import (
	"strings"
	"testing"

	"usher/app/config"
)

func TestOIDC(t *testing.T) {
	const good = "name: a, issuer: 'https://id.example/x', audiences: [nats]"
	for text, says := range map[string]string{
		good: "",
		good + ", token_type: id, clients: [cli], required_claims: [hd=example.org, 'tid=*'], leeway: 0s, max_size: 4096": "",
		good + ", require_typ: false, algorithms: [ES384], keys: {url: 'https://id.example/keys', ca_file: ca.pem}":       "",
		"name: a, issuer: spire, audiences: [nats], token_type: jwt, keys: {file: keys.json}":                             "",
		"name: a, issuer: 'http://127.0.0.1:8080', audiences: [nats]":                                                     "",

		"issuer: 'https://id.example', audiences: [nats]":                    "oidc[0].name",
		"name: a, audiences: [nats]":                                         "oidc[0].issuer",
		"name: a, issuer: 'https://id.example'":                              "oidc[0].audiences",
		"name: a, issuer: 'https://id.example', audiences: []":               "oidc[0].audiences",
		"name: a, issuer: 'http://id.example', audiences: [nats]":            "oidc[0].issuer",
		"name: a, issuer: spire, audiences: [nats]":                          "oidc[0].issuer",
		good + ", algorithms: [none]":                                        "oidc[0].algorithms",
		good + ", algorithms: [HS256]":                                       "oidc[0].algorithms",
		good + ", algorithms: []":                                            "oidc[0].algorithms",
		good + ", token_type: any":                                           "oidc[0].token_type",
		good + ", token_type: id, require_typ: false":                        "oidc[0].require_typ",
		good + ", logout_audiences: [cli]":                                   "needs credentials.oidc[0].backchannel_logout",
		good + ", backchannel_logout: true":                                  "needs api.listen",
		good + ", logout_lifetime: 1m":                                       "oidc[0].logout_lifetime",
		good + ", leeway: 6m":                                                "oidc[0].leeway",
		good + ", max_size: 1048576":                                         "oidc[0].max_size",
		good + ", keys: {url: 'https://a.example/k', file: k}":               "conflicts with credentials.oidc[0].keys.file",
		good + ", keys: {file: k, cache_dir: c}":                             "conflicts with credentials.oidc[0].keys.file",
		good + ", keys: {url: 'http://a.example/k'}":                         "oidc[0].keys.url",
		good + ", keys: {bearer_token_file: t}":                              "needs credentials.oidc[0].keys.url",
		good + "}, {name: a, issuer: 'https://b.example', audiences: [nats]": "oidc[1].name",
		good + ", keys: {url: 'https://a.example/k', refresh: 0s}":           "oidc[0].keys.refresh",
		good + ", discovery: true":                                           "oidc[0].discovery",
	} {
		_, err := config.Parse("usher.yaml", []byte(required+"credentials: {oidc: [{"+text+"}]}"))
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want …%s…", text, err, says)
		}
	}
}

func TestKubernetes(t *testing.T) {
	const good = "name: a, audiences: [nats], issuer: 'https://kubernetes.default.svc'"
	for text, says := range map[string]string{
		good: "",
		good + ", keys: {url: 'https://k.example/jwks', bearer_token_file: t, ca_file: ca.pem, cache_dir: c}": "",
		good + ", keys: {file: keys.json}":               "",
		"name: a, audiences: [nats], mode: token_review": "",
		"name: a, audiences: [nats]":                     "kubernetes[0].mode: needs credentials.kubernetes[0].issuer",
		"name: a, issuer: x":                             "kubernetes[0].audiences",
		good + ", mode: token_review, review: {url: 'https://k.example', ca_file: ca.pem, token_file: t, cache: {max_age: 5s}}": "",
		good + ", review: {ca_file: ca.pem}":                           "kubernetes[0].review.ca_file: is set",
		good + ", mode: review":                                        "kubernetes[0].mode",
		"name: a, audiences: [a], mode: token_review, keys: {file: k}": "kubernetes[0].keys.file: is set",
	} {
		_, err := config.Parse("usher.yaml", []byte(required+"credentials: {kubernetes: [{"+text+"}]}"))
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want …%s…", text, err, says)
		}
	}
}
