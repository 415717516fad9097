package main

import (
	"os"
	"strings"
	"testing"

	"usher/cmd/usher/cmdutil"
	"usher/internal/secretfile"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/ownedfile"
)

// unhealthy checks that the health check fails with a code, and gives the cause on stderr
// only.
func unhealthy(t *testing.T, configFile string, want int, reason string) {
	t.Helper()
	ask := usher
	if want == cmdutil.ExitDenied { // somebody has to say so
		ask = answered
	}
	code, stdout, stderr := ask(t, "healthcheck", "-c", configFile)
	if code != want || stdout != "" || !strings.Contains(stderr, "usher: error: ") || !strings.Contains(stderr, reason) {
		t.Errorf("exit code %d, not %d, for %q:\n%s%s", code, want, reason, stdout, stderr)
	}
}

func healthy(t *testing.T, configFile string) {
	t.Helper()
	if code, stdout, stderr := answered(t, "healthcheck", "-c", configFile); code != cmdutil.ExitOK || stdout+stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestHealthcheck prints nothing and exits 0 on success; else it gives the cause.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	token := in.Path(setup.FileHealthToken)
	unhealthy(t, in.Config(), cmdutil.ExitRuntime, "check that usher serve")

	srv := in.NatsServer(t)
	p := in.serve(t)
	healthy(t, in.Config())
	info, err := os.Stat(token)
	callouttest.Must(t, err)
	if err := ownedfile.CheckWritten(token, info, ownedfile.Rule{Secret: true}); err != nil {
		t.Error(err)
	}
	good, err := os.ReadFile(token)
	callouttest.Must(t, err)

	in.Write(t, setup.FileHealthToken, "wrong\n")
	unhealthy(t, in.Config(), cmdutil.ExitDenied, "Authorization")
	in.Write(t, setup.FileHealthToken, "\n")
	unhealthy(t, in.Config(), cmdutil.ExitRuntime, "is empty")
	in.Write(t, setup.FileHealthToken, string(good))
	healthy(t, in.Config())

	callouttest.Must(t, p.cmd.Process.Kill())
	p.wait(t)
	// The file is still there, and nobody answers the server any more.
	code, _, stderr := usher(t, "healthcheck", "-c", in.Config())
	if code == cmdutil.ExitOK || !strings.Contains(stderr, "usher: error: connect: ") {
		t.Errorf("without a service: exit code %d\n%s", code, stderr)
	}
	srv.Stop()
	unhealthy(t, in.Config(), cmdutil.ExitRuntime, "no servers available")
	callouttest.Must(t, os.Remove(token))
	unhealthy(t, in.Config(), cmdutil.ExitRuntime, "check that usher serve")
}

// TestHealthcheckNotConfigured: without a configured health check the command fails.
func TestHealthcheckNotConfigured(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "healthcheck: HEALTH", `healthcheck: ""`, "token_file: run/healthcheck.token", `token_file: ""`)
	unhealthy(t, in.Config(), cmdutil.ExitConfig, "no health check is configured")
}

// TestHealthcheckTLS: host, port and certificate authority come from the configuration.
func TestHealthcheckTLS(t *testing.T) {
	t.Parallel()
	ca, mine := callouttest.NewCA(t), callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: mine, Sealed: true, TLS: ca})
	keyring := callouttest.KeyringDir(t, true, mine)
	file := apptest.ConfigFor(t, srv, keyring, map[string]string{"nats.tls.ca_file": ca.File})
	p := start(t, "usher", "serve", "-c", file)
	p.waitFor(t, "usher is running")
	callouttest.Eventually(t, "usher is healthy", func() bool {
		code, _, _ := usher(t, "healthcheck", "-c", file)
		return code == cmdutil.ExitOK
	})
	healthy(t, file)
	checkLive(t, file).finds(t, cmdutil.ExitOK, "connect", "ok", "as service user")

	// The same server, and a certificate authority that nobody knows.
	stranger := apptest.ConfigFor(t, srv, keyring, map[string]string{"nats.tls.ca_file": callouttest.NewCA(t).File})
	callouttest.Must(t, secretfile.Write(strings.Replace(stranger, "usher.yaml", "healthcheck.token", 1), []byte("any\n")))
	unhealthy(t, stranger, cmdutil.ExitRuntime, "certificate")
	checkLive(t, stranger).finds(t, cmdutil.ExitConfig, "connect", "error", "certificate")
}
