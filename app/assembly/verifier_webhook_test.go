package assembly

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/config"
	"usher/directory/snapshot"
	"usher/issuer"
	"usher/tokens"
)

// chainOf returns the chain of a configuration with these credentials.
func chainOf(t *testing.T, dir, credentials string) (tokens.Chain, error) {
	t.Helper()
	text := "accounts: {callout: AUTH, system: SYS}\nkeyring: {dir: keys}\ndirectory: {file: directory.yaml}\ncredentials:\n" + credentials
	cfg, err := config.Parse(filepath.Join(dir, "usher.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return newChain(&verifierInputs{
		cfg: cfg, now: time.Now, snapshot: snapshot.Empty, keyring: func() *issuer.Keyring { return nil },
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWebhookVerifier(t *testing.T) {
	headers := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"identity":{"id":"alice"}}`)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	head := "  webhook:\n  - {name: sso, url: '" + server.URL + "', prefix: sess_, "
	write(t, filepath.Join(dir, "secret"), strings.Repeat("x", 32)+"\n")
	write(t, filepath.Join(dir, "short"), "short\n")
	chain, err := chainOf(t, dir, head+"secret_file: secret}\n")
	if err != nil {
		t.Fatal(err)
	}
	id, by, err := chain.Verify(context.WithoutCancel(t.Context()), &tokens.Credential{AuthToken: "sess_a"}, nil)
	if err != nil || by != "webhook:sso" || id.ID != "alice" || id.Authority != "sso" {
		t.Fatalf("by %q: %+v, %v", by, id, err)
	}
	if !strings.Contains((<-headers).Get("Usher-Signature"), ",v1=") {
		t.Error("not signed with the secret")
	}
	for keys, want := range map[string]string{
		"secret_file: absent":                         "webhook sso: secret_file: cannot be read",
		"secret_file: short":                          "webhook sso: secret_file: shorter than 32 characters",
		"nkey_file: secret":                           "webhook sso: nkey_file: not the seed of a user nkey",
		"secret_file: secret, tls: {ca_file: absent}": "webhook sso: tls.ca_file: cannot be read",
	} {
		if _, err := chainOf(t, dir, head+keys+"}\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", keys, err)
		}
	}
}
