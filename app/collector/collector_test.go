package collector_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/apptest"
	"usher/app/collector"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/tracing"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

var (
	start   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all     = tracing.Policy{Share: 1, Now: func() time.Time { return start }, Random: func() float64 { return 0 }}
	service = collector.Service{Version: "1.2.3", Instance: "i-1", Host: "machine"}
)

// open returns the collector of a configuration, and its log.
func open(t *testing.T, cfg config.Tracing) (*collector.Collector, *callouttest.Buffer) {
	t.Helper()
	var log callouttest.Buffer
	c, err := collector.Open(&config.Config{Tracing: cfg}, service, slog.New(slog.NewTextHandler(&log, nil)))
	callouttest.Must(t, err)
	t.Cleanup(func() { c.Stop(context.Background()) })
	return c, &log
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	callouttest.Must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func record(c *collector.Collector) {
	c.Tracer("usher/callout", all).Record(context.Background(), &tracing.Request{
		Name: tracing.SpanAuthorize, Start: start, End: start.Add(time.Second), Failed: true, Status: "key_unknown",
		Steps: []tracing.Step{{Name: tracing.StepOpen, Start: start, End: start.Add(time.Millisecond)}},
	})
}

// TestSend: a collector over TLS with a client certificate and headers receives what a
// Tracer records, at the latest when the sender stops.
func TestSend(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	serverCert, serverKey := ca.Issue(t, "collector")
	clientCert, clientKey := ca.Issue(t, "usher")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	callouttest.Must(t, err)
	in := apptest.NewCollector(t)
	in.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.ClientTLS().RootCAs, MinVersion: tls.VersionTLS12,
	}
	in.StartTLS()
	c, log := open(t, config.Tracing{
		Endpoint: in.URL, HeadersFile: secretFile(t, "authorization: Bearer of-good-news\n\nX-Tenant: shop\n"),
		TLS: config.TracingTLS{CAFile: ca.File, CertFile: clientCert, KeyFile: clientKey},
	})
	record(c)
	c.Stop(t.Context())
	spans := in.Spans()
	if len(spans) != 2 {
		t.Fatalf("received %d spans\n%s", len(spans), log)
	}
	step, whole := spans[0], spans[1]
	if whole.Name != "authorize" || whole.Scope != "usher/callout" || !whole.Failed || whole.Status != "key_unknown" || !whole.Start.Equal(start) || !whole.End.Equal(start.Add(time.Second)) {
		t.Errorf("received %+v", whole)
	}
	if step.Name != "open" || step.Parent != whole.ID || step.Trace != whole.Trace {
		t.Errorf("received %+v", step)
	}
	for key, want := range map[string]string{"service.name": "usher", "service.version": "1.2.3", "service.instance.id": "i-1", "host.name": "machine"} {
		if whole.Resource[key] != want {
			t.Errorf("%s is %q", key, whole.Resource[key])
		}
	}
	for _, h := range in.Headers() {
		if h.Get("Authorization") != "Bearer of-good-news" || h.Get("X-Tenant") != "shop" {
			t.Errorf("the headers are %v", h)
		}
	}
	if sent, lost := c.Sent(); sent != 2 || lost != 0 {
		t.Errorf("sent %d, lost %d", sent, lost)
	}
}

// TestRefused: the beginning and the end of a failure are logged once, without the headers
// that the collector repeats in its answer.
func TestRefused(t *testing.T) {
	t.Parallel()
	in := apptest.StartCollector(t)
	const token = "tonight-the-stars"
	c, log := open(t, config.Tracing{Endpoint: in.URL + "/", HeadersFile: secretFile(t, "authorization: "+token)})
	in.Refuse(http.StatusUnauthorized, "no such user: "+token)
	for n := uint64(2); n <= 6; n += 2 {
		record(c)
		callouttest.Eventually(t, "the spans are lost", func() bool { _, lost := c.Sent(); return lost == n })
	}
	in.Refuse(http.StatusOK, "")
	for n := uint64(2); n <= 4; n += 2 {
		record(c)
		callouttest.Eventually(t, "the spans are sent", func() bool { sent, _ := c.Sent(); return sent == n })
	}
	text := log.String()
	for _, line := range []string{"cannot send traces", "traces are sent again"} {
		if strings.Count(text, line) != 1 {
			t.Errorf("%q is logged %d times", line, strings.Count(text, line))
		}
	}
	if strings.Contains(text, token) || !strings.Contains(text, "401") {
		t.Errorf("logged\n%s", text)
	}
}

// TestHangs: with a collector that never answers, recording does not wait, memory is
// bounded, and Stop returns while the collector still hangs.
func TestHangs(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	in := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer in.Close()
	defer close(release)
	c, log := open(t, config.Tracing{Endpoint: in.URL})
	for range 5000 {
		record(c)
	}
	if sent, lost := c.Sent(); sent != 0 || lost < 5000 { // 4096 wait, 512 are on their way
		t.Errorf("sent %d, lost %d", sent, lost)
	}
	c.Stop(t.Context())
	if !strings.Contains(log.String(), "the last traces were not sent") {
		t.Errorf("logged\n%s", log)
	}
}

// TestRedirect: headers go to no other address than that of the configuration.
func TestRedirect(t *testing.T) {
	t.Parallel()
	other := apptest.StartCollector(t)
	in := httptest.NewServer(http.RedirectHandler(other.URL+"/v1/traces", http.StatusTemporaryRedirect))
	defer in.Close()
	c, _ := open(t, config.Tracing{Endpoint: in.URL, HeadersFile: secretFile(t, "authorization: x")})
	record(c)
	c.Stop(t.Context())
	if _, lost := c.Sent(); lost != 2 || len(other.Headers()) != 0 {
		t.Errorf("lost %d, and the other received %v", lost, other.Headers())
	}
}

func TestOff(t *testing.T) {
	t.Parallel()
	c, _ := open(t, config.Tracing{})
	if c != nil || c.Tracer("usher/api", all) != nil {
		t.Error("without an endpoint there is a tracer")
	}
	if sent, lost := c.Sent(); sent != 0 || lost != 0 {
		t.Errorf("sent %d, lost %d", sent, lost)
	}
}

// TestFiles: a faulty file is an error that names its key and quotes nothing.
func TestFiles(t *testing.T) {
	t.Parallel()
	readable := secretFile(t, "authorization: x")
	callouttest.Must(t, os.Chmod(readable, 0o644))
	ca := callouttest.NewCA(t)
	cert, _ := ca.Issue(t, "one")
	_, key := ca.Issue(t, "two")
	for name, c := range map[string]struct {
		cfg  config.Tracing
		want string
	}{
		"no colon":        {config.Tracing{HeadersFile: secretFile(t, "\nfallen-leaves")}, "tracing.headers_file: line 2 is not a header: write it as name: value"},
		"no value":        {config.Tracing{HeadersFile: secretFile(t, "fallen-leaves:")}, "tracing.headers_file: line 1 is not a header: write it as name: value"},
		"space in name":   {config.Tracing{HeadersFile: secretFile(t, "fallen leaves: x")}, "tracing.headers_file: line 1 is not a header: write it as name: value"},
		"control":         {config.Tracing{HeadersFile: secretFile(t, "a: fallen\x00leaves")}, "tracing.headers_file: line 1 is not a header: write it as name: value"},
		"usher's own":     {config.Tracing{HeadersFile: secretFile(t, "content-type: fallen-leaves")}, "tracing.headers_file: line 1 has a header that usher sets itself"},
		"twice":           {config.Tracing{HeadersFile: secretFile(t, "a: fallen-leaves\nA: x")}, "tracing.headers_file: line 2 repeats a header"},
		"empty":           {config.Tracing{HeadersFile: secretFile(t, "\n")}, "tracing.headers_file: the file is empty"},
		"readable":        {config.Tracing{HeadersFile: readable}, "tracing.headers_file: "},
		"missing":         {config.Tracing{HeadersFile: "/none/fallen-leaves"}, "tracing.headers_file: cannot be read: no such file or directory"},
		"no certificate":  {config.Tracing{TLS: config.TracingTLS{CAFile: secretFile(t, "fallen-leaves")}}, "tracing.tls.ca_file: contains no certificate in PEM form"},
		"another's key":   {config.Tracing{TLS: config.TracingTLS{CertFile: cert, KeyFile: key}}, "tracing.tls.cert_file: tls: private key does not match public key"},
		"missing key":     {config.Tracing{TLS: config.TracingTLS{CertFile: cert, KeyFile: "/none/fallen-leaves"}}, "tracing.tls.key_file: cannot be read"},
		"missing ca_file": {config.Tracing{TLS: config.TracingTLS{CAFile: "/none/fallen-leaves"}}, "tracing.tls.ca_file: cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := collector.Load(&config.Config{Tracing: c.cfg})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "fallen") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
