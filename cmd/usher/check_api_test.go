package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"usher/app/config"
	"usher/callout/callouttest"
)

// apiAnswers serves an answer to every request, over TLS if there is a certificate.
func apiAnswers(t *testing.T, status int, answer string, pair *tls.Certificate) (address string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/status" || r.Header.Get("x-api-key") != "" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, answer)
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if pair != nil {
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{*pair}, MinVersion: tls.VersionTLS12}
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(strings.TrimPrefix(srv.URL, "http://"), "https://")
}

func TestCheckAPI(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	mine, mineKey := ca.Issue(t, "mine")
	other, otherKey := ca.Issue(t, "other")
	pair := func(cert, key string) *tls.Certificate {
		p, err := tls.LoadX509KeyPair(cert, key)
		callouttest.Must(t, err)
		return &p
	}
	const good = `{"status":"ok","directory":{"current":true}}`
	for name, tt := range map[string]struct {
		listen                string
		certified             bool
		check, result, detail string
		exit                  int
	}{
		"off":                 {"", false, "api", "warning", "none is configured", 0},
		"nobody there":        {fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t)), false, "api", "ok", "is free", 0},
		"usher":               {apiAnswers(t, 200, good, nil), false, "api", "ok", "a usher answers", 0},
		"usher, over TLS":     {apiAnswers(t, 200, good, pair(mine, mineKey)), true, "api", "ok", "a usher answers", 0},
		"an old view":         {apiAnswers(t, 200, `{"status":"warning","directory":{"current":false,"as_of":"2026-01-02T03:04:05Z"}}`, nil), false, "api", "warning", "is that of 2026-01-02T03:04:05Z", 0},
		"no view yet":         {apiAnswers(t, 200, `{"status":"warning","directory":{"current":false}}`, nil), false, "api", "warning", "has no directory yet", 0},
		"another certificate": {apiAnswers(t, 200, good, pair(other, otherKey)), true, "api", "warning", "another certificate", 0},
		"another program":     {apiAnswers(t, 404, "not found", nil), false, "api", "error", "no usher answers: HTTP 404", exitConfig},
		"a page":              {apiAnswers(t, 200, "<html>", nil), false, "api", "error", "not the answer of a usher", exitConfig},
		"TLS where none is":   {apiAnswers(t, 200, good, nil), true, "api", "error", "no usher answers", exitConfig},
		"not of this machine": {"192.0.2.1:9779", false, "api", "warning", "cannot be served here", 0},
		"a certificate":       {"127.0.0.1:0", true, "api certificate", "warning", "ends at ", 0}, // it is good for a day
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.Directory.From, cfg.API.Listen = config.DirectoryKV, tt.listen
			if tt.certified {
				cfg.API.TLS = config.APITLS{CertFile: mine, KeyFile: mineKey}
			}
			var f findings
			f.api(t.Context(), &cfg, false)
			f.holds(t, tt.exit, tt.check, tt.result, tt.detail)
		})
	}
	var f findings
	cfg := config.Default()
	if f.api(t.Context(), &cfg, false); f != nil {
		t.Errorf("a directory that is a file: %+v", f)
	}
}

// TestCheckCertificate: files that no API can be served with, and the ends of one
// that it can.
func TestCheckCertificate(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	cert, key := ca.Issue(t, "mine")
	_, otherKey := ca.Issue(t, "other")
	open := filepath.Join(t.TempDir(), "open.pem")
	text, err := os.ReadFile(key)
	callouttest.Must(t, err)
	callouttest.Must(t, os.WriteFile(open, text, 0o644))
	for name, tt := range map[string]struct {
		cert, key      string
		after          time.Duration
		result, detail string
		exit           int
	}{
		"good":           {cert, key, -30 * time.Minute, "warning", "ends at", 0},
		"ended":          {cert, key, 25 * time.Hour, "error", "ended at", exitConfig},
		"not yet":        {cert, key, -2 * time.Hour, "error", "begins at", exitConfig},
		"another key":    {cert, otherKey, 0, "error", "private key does not match", exitConfig},
		"no key":         {cert, filepath.Join(t.TempDir(), "none"), 0, "error", "key_file: cannot be read", exitConfig},
		"no certificate": {key, key, 0, "error", "failed to find", exitConfig},
		"a readable key": {cert, open, 0, "error", "mode 0644", exitConfig},
		"nothing at all": {filepath.Join(t.TempDir(), "none"), key, 0, "error", "none", exitConfig},
	} {
		t.Run(name, func(t *testing.T) {
			var f findings
			a := apiCheck{findings: &f, cfg: &config.API{TLS: config.APITLS{CertFile: tt.cert, KeyFile: tt.key}}, now: func() time.Time { return time.Now().Add(tt.after) }}
			a.certificate(false)
			if runtime.GOOS == "windows" && tt.key == open {
				return // modes say nothing there
			}
			f.holds(t, tt.exit, "api certificate", tt.result, tt.detail)
		})
	}
}
