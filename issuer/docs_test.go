//go:build unix

package issuer_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/issuer"
)

// The script of docs/how-to/sign-elsewhere.md works with a server that behaves like Vault's
// transit engine.
func TestVaultScript(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "how-to", "sign-elsewhere.md"))
	must(t, err)
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("no script")
	}
	script := filepath.Join(t.TempDir(), "sign-with-vault")
	must(t, os.WriteFile(script, block[1], 0o700))
	headers := filepath.Join(t.TempDir(), "headers")
	must(t, os.WriteFile(headers, []byte("X-Vault-Token: root\n"), 0o600))

	seed, public := seedOf(t, nkeys.PrefixByteAccount)
	local, err := issuer.NewSigner([]byte(seed))
	must(t, err)
	vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request struct {
			Input   []byte `json:"input"`
			Version int    `json:"key_version"`
		}
		if err != nil || json.Unmarshal(body, &request) != nil || r.Method != http.MethodPost ||
			r.URL.Path != "/v1/transit/sign/usher" || r.Header.Get("X-Vault-Token") != "root" || request.Version != 1 {
			http.Error(w, `{"errors":["permission denied"]}`, http.StatusForbidden)
			return
		}
		signature, err := local.Sign(r.Context(), request.Input)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, `{"request_id":"5f2c","lease_id":"","data":{"key_version":1,"signature":"vault:v1:`+base64.StdEncoding.EncodeToString(signature)+`"},"wrap_info":null}`+"\n")
	}))
	t.Cleanup(vault.Close)
	t.Setenv("VAULT_ADDR", vault.URL)
	t.Setenv("VAULT_HEADERS", headers)

	for _, data := range []string{"x", strings.Repeat("a user JWT ", 50_000)} {
		if _, err := command(t, public, script, "usher", "1").Sign(t.Context(), []byte(data)); err != nil {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
	if sig, err := command(t, public, script, "usher", "2").Sign(t.Context(), []byte("x")); err == nil || sig != nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a refusal: got %q, %v", sig, err)
	}
}
