package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/app/apptest"
	"usher/app/checkup/finding"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestTLSFirst: every connection of usher works with a server that does the TLS handshake
// first and requires client certificates, from the configuration and from the options of
// try and bench.
func TestTLSFirst(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	ca := callouttest.NewCA(t)
	serverCert, serverKey := ca.Issue(t, "localhost")
	cert, key := ca.Issue(t, "client")
	slash := filepath.ToSlash
	in.Edit(t, setup.FileServerConfig, "\njetstream {", fmt.Sprintf(
		"\ntls { cert_file: %q, key_file: %q, ca_file: %q, verify: true, handshake_first: true }\njetstream {", slash(serverCert), slash(serverKey), slash(ca.File)))
	in.NatsServer(t)
	in.Edit(t, setup.FileConfig, "  urls: [", fmt.Sprintf("  tls: { ca_file: %q, cert_file: %q, key_file: %q, handshake_first: false }\n  urls: [", slash(ca.File), slash(cert), slash(key)))

	// Without the key it cannot connect, and says at what.
	checkOnce(t, in.Config()).finds(t, cmdutil.ExitConfig, "connect", "error", "")
	in.Edit(t, setup.FileConfig, "handshake_first: false }", "handshake_first: true }")
	if code, _, stderr := usher(t, "bootstrap", "-c", in.Config(), "--to", in.Path("admin.key")); code != cmdutil.ExitOK {
		t.Fatalf("bootstrap: %d %s", code, stderr)
	}
	in.serve(t)
	callouttest.Eventually(t, "it has kept the snapshot", func() bool { return apptest.FileExists(in.Path(setup.FileSnapshot)) })
	for _, f := range checkLive(t, in.Config()).Findings {
		if f.Severity != finding.OK {
			t.Errorf("%+v", f)
		}
	}
	if code, _, stderr := answered(t, "healthcheck", "-c", in.Config()); code != cmdutil.ExitOK {
		t.Errorf("healthcheck: %d %s", code, stderr)
	}
	if code, stdout, stderr := usher(t, "nkey", "list", "-c", in.Config()); code != cmdutil.ExitOK {
		t.Errorf("nkey list: %d %s%s", code, stdout, stderr)
	}

	tls := []string{"--ca", ca.File, "--cert", cert, "--key", key, "--tls-first"}
	without := func(options ...string) []string {
		var rest []string
		for i := 0; i < len(tls); i++ {
			n := 2
			if tls[i] == "--tls-first" {
				n = 1
			}
			if !slices.Contains(options, tls[i]) {
				rest = append(rest, tls[i:i+n]...)
			}
			i += n - 1
		}
		return rest
	}
	for name, c := range map[string]struct {
		options []string
		code    int
		says    string
	}{
		"all of it":            {tls, cmdutil.ExitOK, ""},
		"no certificate":       {without("--cert", "--key"), cmdutil.ExitRuntime, "hint: name the server's certificate authority with --ca FILE"},
		"another name":         {append(without(), "--server-name", "other.example.org"), cmdutil.ExitRuntime, "or give it with --server-name NAME"},
		"no authority":         {without("--ca"), cmdutil.ExitRuntime, "hint: name the server's certificate authority with --ca FILE"},
		"not first":            {without("--tls-first"), cmdutil.ExitRuntime, "add --tls-first"},
		"certificate, no key":  {without("--key"), cmdutil.ExitUsage, "--cert needs --key"},
		"key, no certificate":  {without("--cert"), cmdutil.ExitUsage, "--key needs --cert"},
		"another's key":        {append(without("--key"), "--key", serverKey), cmdutil.ExitUsage, "--cert and --key: "},
		"no such key":          {append(without("--key"), "--key", key+".absent"), cmdutil.ExitUsage, "--key cannot be read: "},
		"a certificate as key": {append(without("--key"), "--key", cert), cmdutil.ExitUsage, "--cert and --key: "},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"try", "publish", "-s", in.URL, "--token-file", in.Path("admin.key")}, c.options...)
			ask := answered
			if name == "not first" { // nobody answers
				ask = usher
			}
			code, _, stderr := ask(t, append(args, "any.subject", "x")...)
			if code != c.code || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d, want %d with %q\n%s", code, c.code, c.says, stderr)
			}
		})
	}
	code, stdout, stderr := usher(t, append([]string{"bench", "connect", "-s", in.URL, "--token-file", in.Path("admin.key"), "--clients", "3", "--rate", "5"}, tls...)...)
	if code != cmdutil.ExitOK {
		t.Errorf("bench: exit code %d\n%s%s", code, stdout, stderr)
	}
}
