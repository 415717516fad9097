package eventgateway_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// The certificate of the bridge has ended: the log and /readyz say so, and the bridge
// gets in when there is a new one.
func TestBridgeCertificateEnded(t *testing.T) {
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	dir := pki.Dir(g.Path(setup.DirPKI))
	ca, err := dir.Authority()
	callouttest.Must(t, err)
	issue := func(now time.Time, lifetime time.Duration) {
		t.Helper()
		pair, err := ca.Issue(&pki.Request{CN: setup.ServiceBridge, DNS: []string{setup.ServiceBridge}, Client: true, Lifetime: lifetime, Now: now})
		callouttest.Must(t, err)
		callouttest.Must(t, os.WriteFile(dir.CertFile(setup.ServiceBridge), pair.Cert, 0o600))
		callouttest.Must(t, os.WriteFile(dir.KeyFile(setup.ServiceBridge), pair.Key, 0o600))
	}
	issue(time.Now().Add(-4*time.Minute), time.Minute) // the CA begins five minutes ago
	g.Start(t)
	readyz := func() string {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Web+"/readyz", http.NoBody)
		callouttest.Must(t, err)
		answer, err := http.DefaultClient.Do(request)
		callouttest.Must(t, err)
		defer answer.Body.Close() //nolint:errcheck // it is read whole
		text, err := io.ReadAll(answer.Body)
		callouttest.Must(t, err)
		return string(text)
	}
	callouttest.Eventually(t, "/readyz has the cause", func() bool {
		text := readyz()
		return strings.HasPrefix(text, "ok\nSTAN bridge: not connected: ") && strings.Contains(text, "tls: expired certificate")
	})
	for _, want := range []string{
		"STAN bridge: cannot connect to NATS; retrying", "tls: expired certificate", "user=stan_bridge.tls.cert_file",
		"the certificate of stan_bridge.tls.cert_file ended at ",
	} {
		callouttest.Eventually(t, "the log has "+want, func() bool { return strings.Contains(g.Log.String(), want) })
	}
	issue(time.Now(), time.Hour)
	callouttest.Eventually(t, "the bridge is ready", func() bool { return readyz() == "ok\n" })
}
