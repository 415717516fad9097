package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/app/config"
)

// The examples of docs/how-to/automate.md are valid together.
func TestAutomatePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/automate.md")
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("keyring: {dir: keys}\ndirectory: {file: directory.yaml}\n")
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		text = append(text, block[1]...)
	}
	cfg, err := config.Parse("usher.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Credentials.Automate[0]
	if c.Authn.ServerName != "authn-service" || c.Authz.ServerName != "authz-service" || c.JWT || c.Prefix != "" ||
		c.Resource != "ingest:unifiedEvents" || c.Action != "ingest:unifiedEvents:create" || c.Calls.Timeout != time.Second {
		t.Errorf("got %+v", c)
	}
}

func TestAutomate(t *testing.T) {
	const good = "name: chef, authn: {address: 'a:1'}, authz: {address: 'a:2'}, tls: {ca_file: a, cert_file: b, key_file: c}"
	if _, err := config.Parse("usher.yaml", []byte(base+"credentials: {automate: [{"+good+"}]}\n")); err != nil {
		t.Fatal(err)
	}
	for change, want := range map[string]string{
		"name: chef, >":                 "name: is missing",
		"authn: {address: 'a:1'}, >":    "authn.address: is missing",
		"'a:2'>'a'":                     "authz.address: expected host:port",
		"key_file: c>":                  "tls.key_file: is missing",
		"ca_file: a, >":                 "tls.ca_file: is missing",
		"cert_file: b, >":               "tls.cert_file: is missing",
		"name: chef>name: chef, x: y":   "x: unknown",
		"name: chef>name: chef, jwt: 1": "jwt: ",
	} {
		old, replacement, _ := strings.Cut(change, ">")
		_, err := config.Parse("usher.yaml", []byte(base+"credentials: {automate: [{"+strings.Replace(good, old, replacement, 1)+"}]}\n"))
		if err == nil || !strings.Contains(err.Error(), "credentials.automate[0]."+want) {
			t.Errorf("%s:\n%v", change, err)
		}
	}
}
