package assembly

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/app/config"
	"usher/tokens"
)

func x509VerifiersOf(t *testing.T, text string) ([]tokens.Verifier, error) {
	t.Helper()
	cfg, err := config.Parse("usher.yaml", []byte("accounts: {callout: AUTH, system: SYS}\nkeyring: {dir: keys}\ndirectory: {file: d.yaml}\n"+text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return x509Verifiers(&verifierInputs{cfg: cfg, log: slog.New(slog.DiscardHandler), now: time.Now})
}

// Every example of docs/how-to/certificates.md loads, and makes a verifier.
func TestX509Examples(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", "certificates.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(examples) != 5 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, example := range examples {
		if text := string(example[1]); strings.HasPrefix(text, "api:") {
			if _, err := config.Parse("usher.yaml", []byte("accounts: {callout: AUTH, system: SYS}\nkeyring: {dir: keys}\ndirectory: {from: kv}\n"+text)); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			continue
		}
		if made, err := x509VerifiersOf(t, string(example[1])); err != nil || len(made) != 1 {
			t.Errorf("%d verifiers, %v\n%s", len(made), err, example[1])
		}
	}
}

func TestX509Verifiers(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.ToSlash(filepath.Join(dir, "bad.pem"))
	if err := os.WriteFile(bad, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"": "",
		"{identity: spiffe, trust_domains: ['a b']}":                             "trust domain",
		"{identity: dns, ca_file: " + bad + "}":                                  "x509.ca_file: expected certificates",
		"{identity: dns, ca_file: " + bad + ".absent}":                           "x509.ca_file",
		"{identity: dns, revocation: {check: crl, crl_files: [" + bad + "]}}":    "x509.revocation",
		"{identity: dns, revocation: {check: ocsp, ocsp_responder: 'ldap://a'}}": "must be a URL with http",
	} {
		if text != "" {
			text = "credentials: {x509: " + text + "}"
		}
		made, err := x509VerifiersOf(t, text)
		if len(made) > 0 || (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %d verifiers, %v", text, len(made), err)
		}
	}
}
