package bundle_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/config"
	"usher/app/doctor/bundle"
	"usher/callout/callouttest"
)

// Attack: a bug report shows a secret, in part or encoded
// Held by: what the configuration's files hold is hidden in every form
func TestRedactor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const (
		password = `tea & "cake" for 4711`
		short    = "x1y2z3"
		header   = "c2VjcmV0LWhlYWRlcg"
	)
	pem := strings.Repeat("MC4CAQAwBQYDK2VwBCIEIK", 2)
	for name, text := range map[string]string{
		"password": password + "\n", "short": short, "headers": "authorization: Bearer " + header + "\nx-tenant: blue\n",
		"key.pem": "-----BEGIN PRIVATE KEY-----\n" + pem + "\n-----END PRIVATE KEY-----\n", "cert.pem": "not-a-secret-at-all",
		"keys/a.nk": "opaque-seed-of-the-keyring",
	} {
		callouttest.Must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		callouttest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	cfg := &config.Config{}
	cfg.NATS.PasswordFile = filepath.Join(dir, "password")
	cfg.NATS.SystemPasswordFile = filepath.Join(dir, "short")
	cfg.Tracing.HeadersFile = filepath.Join(dir, "headers")
	cfg.Keyring.Dir = filepath.Join(dir, "keys")
	cfg.API.TLS = config.APITLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	cfg.NATS.CredsFile = filepath.Join(dir, "missing")
	cfg.Operator.SystemCredsFile = dir // a folder: it cannot be read
	r, problems := bundle.NewRedactor(cfg)
	if len(problems) != 1 || problems[0] != "operator.system_creds_file" {
		t.Errorf("problems: %q", problems)
	}
	hides := func(text, hidden string) {
		t.Helper()
		for _, around := range []string{"", "a", "ab", "abc", "user:"} {
			if got := r.Text(around + text + around); strings.Contains(got, hidden) {
				t.Errorf("%q is shown in %q", hidden, got)
			}
		}
	}
	inJSON, err := json.Marshal(password)
	callouttest.Must(t, err)
	for _, s := range []string{
		password, string(inJSON), url.QueryEscape(password), url.PathEscape(password), hex.EncodeToString([]byte(password)),
		header, pem, "opaque-seed-of-the-keyring", "usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI-_",
	} {
		hides(s, s[1:13])
		hides(s, s[len(s)-13:len(s)-1])
		if !strings.HasPrefix(s, "usher_") { // which is not known, and no key if it is cut
			hides(s[:14], s[:14])
		}
	}
	hides(short, short)
	for before := range 4 { // base64 of credentials, wherever they begin
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			encoded := e.EncodeToString([]byte("user"[:before] + password))
			if got := r.Text(encoded); strings.Contains(got, encoded[before+2:before+14]) {
				t.Errorf("base64 of the password is shown: %q", got)
			}
		}
	}
	for text, hidden := range map[string]string{
		"dial nats://bob:hunter2@10.0.0.1:4222": "hunter2", "x-api-key: hunter2 sent": "hunter2",
		"GET /v1/projects?key=hunter2&x=1": "hunter2", `Authorization: Bearer hunter22.x`: "hunter22", "password=hunter2": "hunter2",
	} {
		if got := r.Text(text); strings.Contains(got, hidden) || !strings.Contains(got, "looks like a secret") {
			t.Errorf("%q is %q", text, got)
		}
	}
	for _, s := range []string{"not-a-secret-at-all", "user=alice key_file=a.nk", "nats://10.0.0.1:4222/@", "x-tenant", "PRIVATE KEY", "the tea is ready"} {
		if got := r.Text(s); got != s {
			t.Errorf("%q is %q", s, got)
		}
	}
}

func TestRedactorOfMetrics(t *testing.T) {
	t.Parallel()
	r, _ := bundle.NewRedactor(nil)
	const names = "# TYPE usher_configuration_restart_needed gauge\nusher_configuration_restart_needed 0\nusher_api_x509_connections_refused_total 1\n"
	if got := r.Metrics(names); got != names {
		t.Errorf("metrics are %s", got)
	}
	for _, key := range []string{
		"usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI-_", "usher_abc-DEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefgh",
		"SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX",
	} {
		if got := r.Metrics(`usher_x{user="` + key + `"} 1`); strings.Contains(got, key[10:20]) {
			t.Errorf("a key in metrics is shown: %s", got)
		}
	}
}
