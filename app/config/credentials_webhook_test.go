package config_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/app/config"
)

// The examples of docs/how-to/webhook.md are valid.
func TestWebhookPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		cfg, err := config.Parse("usher.yaml", append([]byte(base), block[1]...))
		if err != nil {
			t.Errorf("%v\n%s", err, block[1])
			continue
		}
		for i := range cfg.Credentials.Webhook {
			sent[cfg.Credentials.Webhook[i].Send] = true
		}
	}
	if !sent["token"] || !sent["user_password"] {
		t.Errorf("examples of %v only", sent)
	}
}

func TestWebhook(t *testing.T) {
	const head = "credentials: {webhook: [{name: sso, url: 'https://sso.example/x', "
	cfg, err := config.Parse("usher.yaml", []byte(base+head+"secret_file: s}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Credentials.Webhook[0]
	if c.Send != "token" || !slices.Equal(c.Facts, []string{"client", "tls", "selection"}) || c.JWT || c.Prefix != "" || c.Cache.MaxAge != time.Minute {
		t.Errorf("got %+v", c)
	}
	for _, tt := range []struct{ text, want string }{
		{"send: token", "secret_file: is missing"},
		{"secret_file: a, nkey_file: b", "nkey_file: conflicts with credentials.webhook[0].secret_file"},
		{"secret_file: a, send: all", "send: "},
		{"secret_file: a, facts: [client, nonce]", "facts[1]: "},
		{"secret_file: a, facts: [client, client]", "facts[1]: "},
		{"secret_file: a, tls: {key_file: k}", "tls.key_file: needs credentials.webhook[0].tls.cert_file"},
	} {
		_, err := config.Parse("usher.yaml", []byte(base+head+tt.text+"}]}\n"))
		if err == nil || !strings.Contains(err.Error(), "credentials.webhook[0]."+tt.want) {
			t.Errorf("%s:\n%v\nwant %s", tt.text, err, tt.want)
		}
	}
}
