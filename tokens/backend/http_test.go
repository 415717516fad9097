package backend_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/tokens/backend"
)

// certificate writes a self-signed client certificate to folder.
func certificate(t *testing.T, folder, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", pkcs8)
	return certFile, keyFile
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve starts a TLS server and returns its URL and the file of its certificate.
func serve(t *testing.T, h http.HandlerFunc, change func(*tls.Config)) (url, caFile string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	server.TLS = &tls.Config{}
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, caFile, "CERTIFICATE", server.Certificate().Raw)
	return server.URL, caFile
}

func client(t *testing.T, cfg backend.HTTPConfig) *http.Client {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	c, err := backend.NewHTTPClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func get(t *testing.T, c *http.Client, url string) (status int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func TestHTTPClient(t *testing.T) {
	hello := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
	url, ca := serve(t, hello, nil)
	if status, body, err := get(t, client(t, backend.HTTPConfig{CAFile: ca}), url); status != http.StatusOK || body != "hello" {
		t.Errorf("%d %q, %v", status, body, err)
	}
	if _, _, err := get(t, client(t, backend.HTTPConfig{}), url); err == nil {
		t.Error("a certificate is trusted that the system does not know")
	}
	old, oldCA := serve(t, hello, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	if _, _, err := get(t, client(t, backend.HTTPConfig{CAFile: oldCA}), old); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	large, largeCA := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, nil)
	if _, _, err := get(t, client(t, backend.HTTPConfig{CAFile: largeCA}), large); err == nil {
		t.Error("headers of 1 MiB are accepted")
	}
	end := make(chan struct{})
	slow, slowCA := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-end
	}, nil)
	t.Cleanup(func() { close(end) }) // before that of the server, which waits for the handler
	if _, _, err := get(t, client(t, backend.HTTPConfig{CAFile: slowCA, Timeout: 50 * time.Millisecond}), slow); err == nil {
		t.Error("a body that does not end is read")
	}
}

func TestNoRedirect(t *testing.T) {
	elsewhere, _ := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }, nil)
	url, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	}, nil)
	if status, _, err := get(t, client(t, backend.HTTPConfig{CAFile: ca}), url); status != http.StatusTemporaryRedirect {
		t.Errorf("%d, %v", status, err)
	}
}

// No client certificate without its key, and the renewed one once there is one.
func TestClientCertificate(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := certificate(t, folder, "first")
	url, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
	with := client(t, backend.HTTPConfig{CAFile: ca, CertFile: certFile, KeyFile: keyFile})
	steps := []struct {
		change func()
		want   string
	}{
		{func() {}, "first"},
		{func() { certificate(t, folder, "second") }, "second"},
		{func() {
			if err := os.WriteFile(certFile, []byte("half a certif"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "first"},
	}
	for _, s := range steps {
		s.change()
		if _, body, err := get(t, with, url); body != s.want {
			t.Errorf("the server saw %q, want %q: %v", body, s.want, err)
		}
	}
	if _, _, err := get(t, client(t, backend.HTTPConfig{CAFile: ca}), url); err == nil {
		t.Error("no client certificate is necessary")
	}
}

func TestHTTPClientFiles(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := certificate(t, folder, "client")
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := write("open.pem", "x", 0o600)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		cfg  backend.HTTPConfig
		want string
	}{
		{backend.HTTPConfig{CAFile: filepath.Join(folder, "absent")}, "ca_file: "},
		{backend.HTTPConfig{CAFile: write("none.pem", "none", 0o600)}, "ca_file: contains no certificate"},
		{backend.HTTPConfig{CertFile: filepath.Join(folder, "absent"), KeyFile: keyFile}, "cert_file: "},
		{backend.HTTPConfig{CertFile: certFile, KeyFile: open}, "key_file: "},
		{backend.HTTPConfig{CertFile: certFile, KeyFile: certFile}, "cert_file: "},
	}
	for _, tt := range tests {
		if _, err := backend.NewHTTPClient(tt.cfg); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://idp.example.com/introspect":     true,
		"https://idp.example.com:8443/i?realm=x": true,
		"http://127.0.0.1:8080/":                 true,
		"http://[::1]:8080/":                     true,
		"http://localhost/":                      true,
		"http://idp.example.com/":                false,
		"http://127.0.0.1.example.com/":          false,
		"https://user:pw@idp.example.com/":       false,
		"https://idp.example.com/#x":             false,
		"https:idp.example.com":                  false,
		"idp.example.com":                        false,
		"/path":                                  false,
		"https://":                               false,
		"ftp://127.0.0.1/":                       false,
		"https://a b/":                           false,
		"":                                       false,
	} {
		if err := backend.CheckURL(url); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestReadJSON(t *testing.T) {
	const limit = 64
	read := func(contentType, body string) (map[string]any, error) {
		var v map[string]any
		resp := &http.Response{Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body))}
		return v, backend.ReadJSON(resp, limit, &v)
	}
	tests := []struct{ name, contentType, body, want string }{
		{"an object", "application/json", `{"a":1}`, ""},
		{"with a character set", `application/json; charset="UTF-8"`, ` {"a":1} `, ""},
		{"exactly the limit", "application/json", `{"a":"` + strings.Repeat("x", limit-8) + `"}`, ""},
		{"too large", "application/json", `{"a":"` + strings.Repeat("x", limit-7) + `"}`, "larger than 64 bytes"},
		{"too large with a valid beginning", "application/json", `{}` + strings.Repeat(" ", limit), "larger than 64 bytes"},
		{"no content type", "", `{}`, "content type"},
		{"HTML", "text/html; charset=utf-8", `{}`, `content type "text/html"`},
		{"a JWT", "application/token-introspection+jwt", `{}`, "content type"},
		{"another character set", "application/json; charset=latin1", `{}`, "UTF-8"},
		{"not JSON", "application/json", `<html>`, "usable JSON"},
		{"cut", "application/json", `{"a":1`, "usable JSON"},
		{"a member twice", "application/json", `{"a":1,"a":2}`, "twice"},
	}
	for _, tt := range tests {
		_, err := read(tt.contentType, tt.body)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// What may be secret in a URL is not in an error.
func TestErrorText(t *testing.T) {
	b := newBackend(nil)
	c := client(t, backend.HTTPConfig{})
	_, err := b.Ask(t.Context(), key, func(ctx context.Context) (backend.Answer, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://user:hush@127.0.0.1:1/introspect?key=hush#hush", http.NoBody)
		if err != nil {
			return backend.Answer{}, err
		}
		resp, err := c.Do(req)
		if err != nil {
			return backend.Answer{}, err
		}
		return backend.Answer{}, resp.Body.Close()
	})
	if err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "http://127.0.0.1:1/introspect: ") {
		t.Errorf("got %v", err)
	}
	if s := b.Status().Backends[0]; strings.Contains(s.Error, "hush") || s.Up {
		t.Errorf("got %+v", s)
	}
}
