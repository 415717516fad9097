package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestCertificate: a client certificate is the credential, for try, and for explain, which
// says the same.
func TestCertificate(t *testing.T) {
	t.Parallel()
	in := initialized(t)
	ca := callouttest.NewCA(t)
	slash := filepath.ToSlash
	serverCert, serverKey := ca.Issue(t, "localhost")
	own, ownKey := ca.Issue(t, "usher")
	issue := func(file, cn string, change func(*x509.Certificate)) (cert, key string) {
		return ca.Certificate(t, func(c *x509.Certificate) {
			c.Subject.CommonName = cn
			if change != nil {
				change(c)
			}
		}).Files(t, file)
	}
	alice, aliceKey := issue("alice", "alice", nil)
	nobody, nobodyKey := issue("nobody", "nobody", nil)
	expired, _ := issue("expired", "alice", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	authority, _ := issue("authority", "alice", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })

	in.Edit(t, setup.FileServerConfig, "\njetstream {", fmt.Sprintf(
		"\ntls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\njetstream {", slash(serverCert), slash(serverKey), slash(ca.File)))
	in.NatsServer(t)
	in.Edit(t, setup.FileConfig, "  urls: [", fmt.Sprintf("  tls: { ca_file: %q, cert_file: %q, key_file: %q }\n  urls: [", slash(ca.File), slash(own), slash(ownKey)))
	config, err := os.ReadFile(in.Config())
	callouttest.Must(t, err)
	callouttest.Must(t, os.WriteFile(in.Config(), append(config, "\ncredentials: { x509: { identity: subject } }\n"...), 0o600))
	directory := strings.Replace(aliceDirectory(), "name: alice,", `name: alice, certificates: [{subject: "CN=alice"}],`, 1)
	callouttest.Must(t, os.WriteFile(in.Path(setup.FileDirectory), []byte(directory), 0o600))
	in.serve(t)

	try := func(cert, key string, more ...string) []string {
		return append(append([]string{"try", "publish", "-s", in.URL, "--ca", ca.File, "--cert", cert, "--key", key}, more...), "shop.orders", "x")
	}
	explain := func(cert string, more ...string) []string {
		return append([]string{"explain", "-c", in.Config(), "--cert", cert, "--ca", ca.File}, more...)
	}
	token := in.token(t, "alice-key")
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string // stdout and stderr
	}{
		{"try", try(alice, aliceKey), cmdutil.ExitOK, "published to shop.orders"},
		{"try, and a project", try(alice, aliceKey, "--user", "project=shop"), cmdutil.ExitOK, "published to shop.orders"},
		{"try, and a token", try(nobody, nobodyKey, "--token-file", token), cmdutil.ExitOK, "published to shop.orders"},
		{"try, unknown", try(nobody, nobodyKey), cmdutil.ExitDenied, "usher's log and audit give the cause"},
		{"try nothing", []string{"try", "publish", "-s", in.URL, "shop.orders", "x"}, cmdutil.ExitUsage, "or a client certificate with --cert FILE"},
		{"explain", explain(alice, "--publish", "shop.orders"), cmdutil.ExitOK, "x509"},
		{"explain, unknown", explain(nobody), cmdutil.ExitDenied, "no user has a key with the subject CN=nobody"},
		{"explain, and a token", explain(nobody, "--token-file", token), cmdutil.ExitOK, "apikey"},
		{"explain, expired", explain(expired), cmdutil.ExitDenied, "nats-server refuses this certificate in the TLS handshake: x509: certificate has expired"},
		{"explain a CA", explain(authority), cmdutil.ExitDenied, "x509_ca"},
		{"explain, not the CA", explain(alice, "--ca", own), cmdutil.ExitDenied, "--ca has no CA that issued it"},
		{"explain, a key", explain(aliceKey), cmdutil.ExitUsage, "expected certificates, found PRIVATE KEY"},
		{"explain, no file", explain(alice + ".absent"), cmdutil.ExitUsage, "--cert cannot be read"},
		{"explain, no CA", explain(alice, "--ca", aliceKey), cmdutil.ExitUsage, "--ca: "},
		{"explain, only a CA", []string{"explain", "-c", in.Config(), "--ca", ca.File, "--token-file", token}, cmdutil.ExitUsage, "--ca needs --cert"},
	} {
		code, stdout, stderr := answered(t, tt.args...)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.says) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s%s", tt.name, code, tt.code, tt.says, stdout, stderr)
		}
	}
}
