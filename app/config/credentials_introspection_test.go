package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/app/config"
)

const base = "accounts: {callout: AUTH, system: SYS}\nkeyring: {dir: keys}\ndirectory: {file: directory.yaml}\n"

// The examples of docs/how-to/introspection.md are valid.
func TestIntrospectionPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/introspection.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	methods := map[string]bool{}
	for _, block := range blocks {
		cfg, err := config.Parse("usher.yaml", append([]byte(base), block[1]...))
		if err != nil {
			t.Errorf("%v\n%s", err, block[1])
			continue
		}
		for i := range cfg.Credentials.Introspection {
			methods[cfg.Credentials.Introspection[i].Authentication] = true
		}
	}
	for _, method := range []string{"basic", "private_key_jwt", "tls"} {
		if !methods[method] {
			t.Errorf("no example of authentication %s", method)
		}
	}
}

func TestIntrospection(t *testing.T) {
	const head = "credentials:\n  introspection:\n  - name: main\n    url: https://id.example/introspect\n"
	cfg, err := config.Parse("usher.yaml", []byte(base+head+"    authentication: bearer\n    token_file: token\n    audiences: [nats]\n    cache: {max_age: 10s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Credentials.Introspection[0]
	if c.IDClaim != "sub" || c.Leeway != 30*time.Second || c.Cache != (config.BackendCache{MaxAge: 10 * time.Second, RefusalAge: 5 * time.Second, Size: 10_000}) ||
		c.Calls != (config.BackendCalls{Timeout: time.Second, Concurrency: 32, Retries: 1}) || c.Breaker != (config.BackendBreaker{Failures: 5, Cooldown: 5 * time.Second}) {
		t.Errorf("got %+v", c)
	}
	for _, tt := range []struct{ text, want string }{
		{"authentication: basic, client_id: a, audiences: [nats]", "authentication: needs credentials.introspection[0].client_secret_file"},
		{"authentication: post, client_secret_file: a, audiences: [nats]", "authentication: needs credentials.introspection[0].client_id"},
		{"authentication: bearer, audiences: [nats]", "authentication: needs credentials.introspection[0].token_file"},
		{"authentication: bearer, token_file: a, client_id: a, audiences: [nats]", "client_id: is set, but credentials.introspection[0].authentication is \"bearer\""},
		{"authentication: private_key_jwt, client_id: a, audiences: [nats]", "authentication: needs credentials.introspection[0].key_file"},
		{"authentication: tls, client_id: a, audiences: [nats]", "authentication: needs credentials.introspection[0].tls.cert_file"},
		{"authentication: none, audiences: [nats], tls: {cert_file: a}", "tls.cert_file: needs credentials.introspection[0].tls.key_file"},
		{"authentication: none, audiences: [nats], algorithm: RS256", "algorithm: needs credentials.introspection[0].key_file"},
		{"authentication: none", "audiences: is missing"},
		{"authentication: none, audiences: [nats], any_audience: true", "any_audience: conflicts with credentials.introspection[0].audiences"},
	} {
		_, err := config.Parse("usher.yaml", []byte(base+"credentials: {introspection: [{name: main, url: 'https://id.example', "+tt.text+"}]}\n"))
		if err == nil || !strings.Contains(err.Error(), "credentials.introspection[0]."+tt.want) {
			t.Errorf("%s:\n%v\nwant %s", tt.text, err, tt.want)
		}
	}
}
