package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"usher/app/config"
)

// The example of docs/how-to/stan-bridge.md is valid.
func TestStanBridgePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/stan-bridge.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 1 {
		t.Fatalf("%d examples", len(blocks))
	}
	cfg, err := config.Parse("usher.yaml", append([]byte(required), blocks[0][1]...))
	if err != nil {
		t.Fatal(err)
	}
	if b := &cfg.StanBridge; b.Domain != "store" || len(b.Durables) != 1 || !b.Managed || b.Stream != "HABITAT" {
		t.Errorf("%+v", b)
	}
}

func TestStanBridgeFaults(t *testing.T) {
	for text, want := range map[string]string{
		"user: u":             "stan_bridge.user: needs stan_bridge.password_file",
		"tls: {cert_file: c}": "stan_bridge.tls.cert_file: needs stan_bridge.tls.key_file",
		"user: u, password_file: p, nkey_file: n": "stan_bridge.nkey_file: conflicts with stan_bridge.user",
		"stream: ''":                  "stan_bridge.urls: needs stan_bridge.stream",
		"subject: stan":               "stan_bridge.subject: expected {channel} once",
		"subject: 'stan.>.{channel}'": "stan_bridge.subject: expected tokens of letters",
		"channels: ['a.b']":           "stan_bridge.channels[0]: name",
		"channels: []":                "stan_bridge.channels: must not be empty",
		"max_payload: 67108864, max_pending_bytes: 1048576": "stan_bridge.max_payload: is 67108864, more than stan_bridge.max_pending_bytes",
	} {
		_, err := config.Parse("usher.yaml", []byte(required+"stan_bridge: {urls: [nats://a], "+text+"}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := config.Parse("usher.yaml", []byte(required+"stan_bridge: {domain: store}\n")); err == nil || !strings.Contains(err.Error(), "stan_bridge.domain: needs stan_bridge.urls") {
		t.Errorf("a bridge without urls: %v", err)
	}
}
