package assembly

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/app/config"
	"usher/tokens"
	"usher/tokens/oidc"
)

const minimal = `nats: {urls: [nats://127.0.0.1]}
keyring: {dir: keys}
directory: {file: directory.yaml}
accounts: {callout: AUTH, system: SYS}
`

func jwtVerifiersOf(t *testing.T, text string) ([]tokens.Verifier, error) {
	t.Helper()
	cfg, err := config.Parse("usher.yaml", []byte(minimal+text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return jwtVerifiers(&verifierInputs{cfg: cfg, now: time.Now})
}

// Every example of docs/how-to/oidc.md loads, and makes a verifier.
func TestJWTExamples(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", "oidc.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(examples) != 4 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, example := range examples {
		text := string(example[1])
		made, err := jwtVerifiersOf(t, text)
		if strings.Contains(text, "kubernetes") { // in a pod, Kubernetes has mounted the CA
			if err == nil || !strings.Contains(err.Error(), "kubernetes[0].keys") || !strings.Contains(err.Error(), "ca_file") {
				t.Errorf("outside of a pod: %v", err)
			}
			continue
		}
		if err != nil || len(made) != 1 {
			t.Errorf("%d verifiers, %v\n%s", len(made), err, text)
		}
	}
}

func TestJWTVerifiers(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		backends   int
		error      string
	}{
		{"none", "", 0, ""},
		{"only TokenReview", "credentials: {kubernetes: [{name: k, mode: token_review, audiences: [nats]}]}", 0, ""},
		{
			"both lists", "credentials: {oidc: [{name: a, issuer: 'https://a.example', audiences: [nats], required_claims: ['hd=x=y']}], " +
				"kubernetes: [{name: k, issuer: 'https://k.example', audiences: [nats], keys: {file: keys.json}}]}", 2, "",
		},
		{
			"one issuer twice", "credentials: {oidc: [{name: a, issuer: 'https://a.example', audiences: [nats]}], " +
				"kubernetes: [{name: k, issuer: 'https://a.example', audiences: [nats], keys: {file: keys.json}}]}", 0, `authority "k"`,
		},
		{"no CA file", "credentials: {oidc: [{name: a, issuer: 'https://a.example', audiences: [nats], keys: {ca_file: /nonexistent}}]}", 0, "oidc[0].keys"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, err := jwtVerifiersOf(t, tt.text)
			if tt.error != "" {
				if err == nil || !strings.Contains(err.Error(), tt.error) {
					t.Errorf("got %v", err)
				}
				return
			}
			backends := 0
			for _, v := range made {
				backends += len(v.(*oidc.Verifier).Status().Backends)
			}
			if err != nil || backends != tt.backends {
				t.Errorf("%d authorities, %v", backends, err)
			}
		})
	}
	if got := requiredClaims([]string{"hd=x=y"}); got["hd"] != "x=y" {
		t.Errorf("got %v", got)
	}
}
