package endpoint

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

	"usher/internal/fault"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/callout/callouttest"
)

// apiAnswers serves an answer to every request, over TLS if there is a certificate.
func apiAnswers(t *testing.T, status int, answer string, pair *tls.Certificate) (address string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/status" || r.Header.Get("x-api-key") != "" {
			t.Errorf("requested %s", r.URL)
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
		listen    string
		certified bool
		check     string
		severity  finding.Severity
		detail    string
		kind      fault.Kind
	}{
		"off":                 {"", false, "api", "warning", "no API is configured", fault.None},
		"a free port":         {fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t)), false, "api", "ok", "port is free; no API is running", fault.None},
		"usher":               {apiAnswers(t, 200, good, nil), false, "api", "ok", "usher responds", fault.None},
		"usher, over TLS":     {apiAnswers(t, 200, good, pair(mine, mineKey)), true, "api", "ok", "usher responds", fault.None},
		"a stale view":        {apiAnswers(t, 200, `{"status":"warning","directory":{"current":false,"as_of":"2026-01-02T03:04:05Z"}}`, nil), false, "api", "warning", "usher responds, but its directory is of 2026-01-02T03:04:05Z", fault.None},
		"no view yet":         {apiAnswers(t, 200, `{"status":"warning","directory":{"current":false}}`, nil), false, "api", "warning", "has no directory yet", fault.None},
		"another certificate": {apiAnswers(t, 200, good, pair(other, otherKey)), true, "api", "warning", "a certificate other than that of api.tls", fault.None},
		"another program":     {apiAnswers(t, 404, "not found", nil), false, "api", "error", "no usher responds: HTTP 404", fault.Config},
		"a page":              {apiAnswers(t, 200, "<html>", nil), false, "api", "error", "not an answer of usher", fault.Config},
		"TLS where none is":   {apiAnswers(t, 200, good, nil), true, "api", "error", "no usher responds", fault.Config},
		"not of this machine": {"192.0.2.1:9779", false, "api", "warning", "cannot listen", fault.None},
		"a certificate":       {"127.0.0.1:0", true, "api certificate", "warning", "ends at ", fault.None}, // valid for one day
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.Directory.From, cfg.API.Listen = config.DirectoryKV, tt.listen
			if tt.certified {
				cfg.API.TLS = config.APITLS{CertFile: mine, KeyFile: mineKey}
			}
			var f finding.List
			CheckAPI(t.Context(), &f, &cfg, false)
			findingtest.Holds(t, f, tt.kind, tt.check, tt.severity, tt.detail)
		})
	}
	var f finding.List
	cfg := config.Default()
	if CheckAPI(t.Context(), &f, &cfg, false); f != nil {
		t.Errorf("a directory that is a file: %+v", f)
	}
}

// TestCheckCertificate: check finds certificate files that cannot be loaded, and a
// certificate that has expired or will soon.
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
		cert, key string
		after     time.Duration
		severity  finding.Severity
		detail    string
		kind      fault.Kind
	}{
		"good":           {cert, key, -30 * time.Minute, "warning", "ends at", fault.None},
		"ended":          {cert, key, 25 * time.Hour, "error", "ended at", fault.Config},
		"not yet":        {cert, key, -2 * time.Hour, "error", "begins at", fault.Config},
		"another key":    {cert, otherKey, 0, "error", "private key does not match", fault.Config},
		"no key":         {cert, filepath.Join(t.TempDir(), "none"), 0, "error", "key_file: cannot be read", fault.Config},
		"no certificate": {key, key, 0, "error", "failed to find", fault.Config},
		"a readable key": {cert, open, 0, "error", "mode 0644", fault.Config},
		"nothing at all": {filepath.Join(t.TempDir(), "none"), key, 0, "error", "none", fault.Config},
	} {
		t.Run(name, func(t *testing.T) {
			var f finding.List
			c := certificateCheck{List: &f, now: func() time.Time { return time.Now().Add(tt.after) }}
			c.listener("api certificate", "api.tls", &config.APITLS{CertFile: tt.cert, KeyFile: tt.key}, false)
			if runtime.GOOS == "windows" && tt.key == open {
				return // Windows has no file modes
			}
			findingtest.Holds(t, f, tt.kind, "api certificate", tt.severity, tt.detail)
		})
	}
}
