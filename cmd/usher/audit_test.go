package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/auditstream"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
	"usher/internal/audit"
	"usher/internal/audit/chain"
	"usher/issuer"
)

// TestAuditStream: audit search, verify and tail read the stream that the configuration names,
// and say so if there is none.
func TestAuditStream(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := callouttest.NewKeys(t)
	callouttest.Must(t, os.Mkdir(filepath.Join(dir, "keys"), 0o700))
	srv := callouttest.StartServer(t, callouttest.ServerConfig{
		Keys: keys, NoCallout: true, Extra: fmt.Sprintf("jetstream: {store_dir: %q}\n", filepath.ToSlash(t.TempDir())),
	})
	for name, text := range map[string]string{
		"password": callouttest.Password + "\n", "keys/issuer.nk": keys.IssuerSeed + "\n", "directory.yaml": "version: 1\n",
		"usher.yaml": fmt.Sprintf("nats: {urls: [%q], user: %s, password_file: password}\n", srv.URL(), callouttest.AdminUser) +
			"accounts: {callout: AUTH, system: SYS, ingest: APP, service_admin: APP}\nkeyring: {dir: keys}\n" +
			"directory: {file: directory.yaml}\naudit: {to: stream}\n",
	} {
		callouttest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	cfg := filepath.Join(dir, "usher.yaml")
	if code, _, stderr := usher(t, "audit", "search", "-c", cfg); code != cmdutil.ExitRuntime || !strings.Contains(stderr, "stream USHER_AUDIT: there is no such stream") {
		t.Errorf("no stream: exit %d, %s", code, stderr)
	}
	nc, err := nats.Connect(srv.URL(), nats.UserInfo(callouttest.AdminUser, callouttest.Password), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	w, err := auditstream.Open(&auditstream.Config{Conn: nc, Stream: "USHER_AUDIT", Subject: "usher.audit", Log: slog.New(slog.DiscardHandler), Now: time.Now})
	callouttest.Must(t, err)
	signer, err := issuer.NewSigner([]byte(keys.IssuerSeed))
	callouttest.Must(t, err)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := audit.NewChained(chain.NewWriter(&chain.Config{
		Out: w, ID: "20260301T120000.000Z-000000000001", Signer: func() chain.Signer { return signer }, Now: func() time.Time { return at },
	}), nil)
	for _, user := range []string{"bob", "pia"} {
		l.Write(audit.Event{Time: at, Outcome: "denied", Code: "key_expired", User: user})
	}
	callouttest.Must(t, l.Close(t.Context()))
	callouttest.Must(t, w.Close(t.Context()))
	if code, stdout, stderr := usher(t, "audit", "search", "-c", cfg, "--user", "pia"); code != cmdutil.ExitOK || !strings.Contains(stdout, " pia ") || strings.Contains(stdout, "bob") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := usher(t, "audit", "verify", "-c", cfg, "--closed"); code != cmdutil.ExitOK || !strings.Contains(stdout, "lines 1 to 4, 2 signatures") {
		t.Errorf("verify: exit %d, %s%s", code, stdout, stderr)
	}
	const want = "2026-03-01T12:00:00Z  decision  denied  key_expired  pia"
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs callouttest.Buffer
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"usher", "audit", "tail", "-c", cfg, "--lines", "2"}, &out, &errs) }()
	callouttest.Eventually(t, "the last line", func() bool { return strings.Contains(out.String(), want) || len(code) > 0 })
	cancel()
	if c := <-code; c != cmdutil.ExitOK || out.String() != want+"\n" {
		t.Errorf("tail: exit %d, %q %s", c, out.String(), errs.String())
	}
}
