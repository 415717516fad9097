package assembly

import (
	"testing"

	"usher/app/config"
)

// A client of a verifier behind that of passwords does not wait for a hash that hides which
// users there are.
func TestPasswordsGoOn(t *testing.T) {
	for text, want := range map[string]bool{
		"password: {enabled: true}":                                                                        false,
		"oidc: [{name: a, issuer: 'https://a.example', audiences: [nats]}]":                                false,
		"kubernetes: [{name: a, issuer: 'https://a.example', audiences: [nats], keys: {file: keys.json}}]": false,
		"kubernetes: [{name: a, mode: token_review, audiences: [nats]}]":                                   true,
		"webhook: [{name: a, url: 'https://a.example', secret_file: s}]":                                   true,
		"introspection: [{name: a, url: 'http://127.0.0.1', authentication: none, any_audience: true}]":    true,
	} {
		cfg, err := config.Parse("usher.yaml", []byte(minimal+"credentials: {"+text+"}\n"))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if got := passwordsGoOn(&cfg.Credentials); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}
