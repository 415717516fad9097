package webhook_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/internal/needs"
	"usher/tokens"
	"usher/tokens/webhook"
)

const examples = "../../docs/examples/webhook"

// program starts an example and returns its URL.
func program(t *testing.T, secretFile string, command ...string) string {
	t.Helper()
	p := needs.Program(t, command[0], append(command[1:], "127.0.0.1:0", secretFile, filepath.Join(examples, "sessions.json"))...)
	var failed bytes.Buffer
	p.Stderr = &failed
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
		if failed.Len() > 0 {
			t.Errorf("%s wrote to standard error: %s", command, failed.String())
		}
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("%s printed %q", command, line)
	}
	return "http://" + address
}

// The examples answer usher's requests, and refuse everybody else's.
func TestExamples(t *testing.T) {
	folder := t.TempDir()
	secretFile, goProgram := filepath.Join(folder, "secret"), filepath.Join(folder, "webhook")
	if err := os.WriteFile(secretFile, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", goProgram, examples+"/go").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, command := range map[string][]string{
		"go":     {goProgram},
		"python": {"python3", examples + "/python/webhook.py"},
		"node":   {"node", examples + "/node/webhook.js"},
	} {
		t.Run(name, func(t *testing.T) {
			url := program(t, secretFile, command...)
			v := newVerifier(t, url, "", nil)
			if id, err := v.Verify(t.Context(), token("sess_8c1f2b7d")); err != nil || id.ID != "alice" {
				t.Errorf("got %+v, %v", id, err)
			}
			var r *tokens.Reason
			if _, err := v.Verify(t.Context(), token("sess_0d93aa41")); !errors.As(err, &r) || r.Code != webhook.CodeDenied || !strings.HasSuffix(r.Cause, "the session has ended") {
				t.Errorf("got %v", err)
			}
			for _, unknown := range []string{"sess_é", "sess___proto__", "sess_constructor"} {
				if _, err := v.Verify(t.Context(), token(unknown)); !errors.Is(err, tokens.ErrNotApplicable) {
					t.Errorf("%s: got %v", unknown, err)
				}
			}
			stranger := newVerifier(t, url, "", func(c *webhook.Config) {
				c.Sign = webhook.NewHMAC(func() (string, error) { return strings.Repeat("x", webhook.MinSecret), nil })
			})
			late := newVerifier(t, url, "", func(c *webhook.Config) { c.Now = fixed(time.Now().Add(-time.Hour)) })
			early := newVerifier(t, url, "", func(c *webhook.Config) { c.Now = fixed(time.Now().Add(time.Hour)) })
			for what, v := range map[string]*webhook.Verifier{"another secret": stranger, "an hour old": late, "an hour early": early} {
				if _, err := v.Verify(t.Context(), token("sess_8c1f2b7d")); !contains(err, "status 401") {
					t.Errorf("%s: got %v", what, err)
				}
			}
			replays(t, url)
		})
	}
}

// replays sends requests that a verifier does not send.
func replays(t *testing.T, url string) {
	t.Helper()
	now := time.Now().Unix()
	body := `{"version":1,"call_id":"replayed","authority":"sso","credential":{"kind":"token","token":"sess_8c1f2b7d"}}`
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", now, body)
	signature := fmt.Sprintf("t=%d,v1=%s", now, hex.EncodeToString(mac.Sum(nil)))
	for _, tt := range []struct {
		name, header, body string
		status             int
	}{
		{"no signature", "", body, http.StatusUnauthorized},
		{"half a signature", signature[:len(signature)-2], body, http.StatusUnauthorized},
		{"a longer signature", signature + "00", body, http.StatusUnauthorized},
		{"no time", signature[strings.Index(signature, "v1"):], body, http.StatusUnauthorized},
		{"a time that is none", "t=x" + signature[strings.Index(signature, ","):], body, http.StatusUnauthorized},
		{"another body", signature, strings.Replace(body, "sess_8c1f2b7d", "sess_8c1f2b7e", 1), http.StatusUnauthorized},
		{"another time", fmt.Sprintf("t=%d%s", now-1, signature[strings.Index(signature, ","):]), body, http.StatusUnauthorized},
		{"the first time", signature, body, http.StatusOK},
		{"the second time", signature, body, http.StatusUnauthorized},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(webhook.SignatureHeader, tt.header)
		r.Close = true
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, %s", tt.name, resp.StatusCode, text)
		}
	}
}
