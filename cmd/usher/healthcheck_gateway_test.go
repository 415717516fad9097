package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
	"usher/internal/secretfile"
)

// TestHealthcheckGateway: the health check goes through the TLS of the external server as a
// supervisor does, and says what is wrong with a certificate and where to mend it.
func TestHealthcheckGateway(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	external := g.Server(t, setup.FileExternal)
	g.Usher(t)
	healthy(t, g.Config())
	good, err := os.ReadFile(g.Config())
	callouttest.Must(t, err)
	_, port := g.ExternalAddress()

	// Without a name in the configuration, that in nats.urls counts.
	g.Edit(t, setup.FileConfig, "server_name: localhost", `server_name: ""`)
	g.Edit(t, setup.FileConfig, "urls: ["+g.URL, "urls: [nats://localhost:"+port)
	healthy(t, g.Config())

	const next = "\n    # PEM file with the client certificate of the service." // below nats.tls.ca_file alone
	for _, tt := range []struct {
		name, old, replacement string
		hints                  []string
	}{
		{"wrong name", "server_name: localhost", "server_name: gateway.example.org", []string{
			"certificate is valid for localhost, events.example.org, not gateway.example.org",
			"hint: nats.tls.server_name, or the host in nats.urls without it, must be a name of the certificate: localhost, events.example.org, 127.0.0.1",
		}},
		{"other CA", "ca_file: " + setup.FileCA + next, "ca_file: other.pem" + next, []string{
			"certificate signed by unknown authority", `hint: nats.tls.ca_file must have the CA that has signed the certificate of nats-server: "event gateway CA"`,
		}},
		{"CA of the system", "ca_file: " + setup.FileCA + next, `ca_file: ""` + next, []string{
			"certificate signed by unknown authority", "hint: name the CA of nats-server with nats.tls.ca_file",
		}},
		{"TLS first", "server_name: localhost", "server_name: localhost\n    handshake_first: true", []string{
			"first record does not look like a TLS handshake", "hint: nats.tls.handshake_first must be what",
		}},
	} {
		_, pair, err := pki.NewAuthority("event gateway CA", 0, time.Now()) // the same name, another key
		callouttest.Must(t, err)
		g.Write(t, "other.pem", string(pair.Cert))
		g.Write(t, setup.FileConfig, string(good))
		g.Edit(t, setup.FileConfig, tt.old, tt.replacement)
		unhealthyFor(t, tt.name, g.Config(), tt.hints...)
	}
	g.Write(t, setup.FileConfig, string(good))

	// A certificate that has ended, and one that has been renewed, which the server reads
	// when it is reloaded.
	dir := pki.Dir(g.Path(setup.DirPKI))
	ca, err := dir.Authority()
	callouttest.Must(t, err)
	ended, err := ca.Issue(&pki.Request{CN: setup.CertPublic, DNS: []string{"localhost"}, Server: true, Now: ca.Cert.NotBefore.Add(time.Second), Lifetime: time.Second})
	callouttest.Must(t, err)
	g.Write(t, setup.CertFile(setup.CertPublic), string(ended.Cert))
	g.Write(t, setup.KeyFile(setup.CertPublic), string(ended.Key))
	callouttest.Must(t, external.Reload())
	unhealthyFor(t, "ended", g.Config(), "certificate has expired or is not yet valid",
		fmt.Sprintf(`hint: the certificate of "public" ended at %s: renew it, and let nats-server read it`, ca.Cert.NotBefore.Add(2*time.Second).UTC().Format(time.RFC3339)))
	if code, _, stderr := usher(t, "pki", "renew", "--dir", string(dir), setup.CertPublic); code != cmdutil.ExitOK {
		t.Fatal(stderr)
	}
	// It has the lifetime of the one before, one second. So it is issued anew.
	renewed, err := ca.Issue(&pki.Request{CN: setup.CertPublic, DNS: []string{"localhost"}, Server: true, Now: time.Now()})
	callouttest.Must(t, err)
	g.Write(t, setup.CertFile(setup.CertPublic), string(renewed.Cert))
	g.Write(t, setup.KeyFile(setup.CertPublic), string(renewed.Key))
	callouttest.Must(t, external.Reload())
	healthy(t, g.Config())
}

// unhealthyFor checks that the health check fails, and that its error and its hint have all
// of these texts. A hint that only names another command is not enough.
func unhealthyFor(t *testing.T, name, configFile string, texts ...string) {
	t.Helper()
	code, stdout, stderr := usher(t, "healthcheck", "-c", configFile)
	if code != cmdutil.ExitRuntime || stdout != "" || strings.Contains(stderr, "usher check") {
		t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
	}
	for _, text := range texts {
		if !strings.Contains(stderr, text) {
			t.Errorf("%s: %q is missing:\n%s", name, text, stderr)
		}
	}
}

// TestHealthcheckVersions: the health check uses TLS 1.2 and 1.3, and nothing older.
func TestHealthcheckVersions(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	g.Server(t, setup.FileExternal)
	g.Usher(t)
	for version, ok := range map[string]bool{"1.1": false, "1.2": true, "1.3": true} {
		front := startFront(t, g, version)
		file := g.Path("front-" + version + ".yaml")
		front.configure(t, file)
		if ok {
			healthy(t, file)
		} else {
			unhealthyFor(t, "TLS "+version, file, "protocol version", "hint: ")
		}
	}
}

// TestHealthcheckServers: of several servers the first that accepts is asked. No other than
// those of the configuration is, whatever a server advertises: the token is not for it.
func TestHealthcheckServers(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	g.Server(t, setup.FileExternal)
	g.Usher(t)
	trap := startTrap(t)
	front := startFront(t, g, "1.3")
	front.advertise = trap.address()
	file := g.Path("front.yaml")
	front.configure(t, file)
	healthy(t, file)

	front.cut.Store(true) // it ends the connection when the client knows of the other address
	unhealthyFor(t, "cut", file, "error: connect: ")

	text, err := os.ReadFile(file)
	callouttest.Must(t, err)
	nobody := fmt.Sprintf("nats://127.0.0.1:%d", callouttest.FreePort(t))
	several := func(urls ...string) {
		callouttest.Must(t, secretfile.Write(file, []byte(strings.Replace(string(text), front.url(), strings.Join(urls, ", "), 1))))
	}
	several(nobody, front.url(), g.URL)
	healthy(t, file)
	several(front.url(), nobody)
	code, _, stderr := usher(t, "healthcheck", "-c", file)
	for _, url := range []string{front.url(), nobody} {
		if want := "error: connect to " + strings.TrimPrefix(url, "nats://") + ": "; code != cmdutil.ExitRuntime || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, %q is missing:\n%s", code, want, stderr)
		}
	}
	if n := trap.connections.Load(); n > 0 {
		t.Errorf("%d connections to an address that is not configured", n)
	}
}
