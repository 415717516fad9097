package listener_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/api/listener"
	"usher/callout/callouttest"
)

// The log contains what net/http reports, in a few lines, and nothing of what a client sent.
//
// Attack: failed handshakes or malformed requests fill the log, or leave no trace in it
// Held by: errors of net/http are logged, a few lines a second, with the number of omitted ones
func TestErrorLog(t *testing.T) {
	ca := callouttest.NewCA(t)
	pair, err := tls.LoadX509KeyPair(ca.Issue(t, "listener"))
	callouttest.Must(t, err)
	var log callouttest.Buffer
	s, err := listener.Start(t.Context(), listener.Config{
		Name: "api.listen", Address: "127.0.0.1:0", MaxConnections: 16, Log: slog.New(slog.NewTextHandler(&log, nil)),
		TLS: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
		}),
	})
	callouttest.Must(t, err)
	t.Cleanup(func() { s.Stop(time.Second) })
	const attempts = 100
	var d net.Dialer
	for range attempts {
		conn, err := d.DialContext(t.Context(), "tcp", s.Addr().String())
		callouttest.Must(t, err)
		_, err = io.WriteString(conn, "GET /usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI-_ HTTP/1.1\r\nHost: x\r\n\r\n")
		callouttest.Must(t, err)
		_, _ = io.Copy(io.Discard, conn) // until the server closes it
		callouttest.Must(t, conn.Close())
	}
	callouttest.Eventually(t, "an error in the log", func() bool { return strings.Contains(log.String(), "HTTP server error") })
	text := log.String()
	if lines := strings.Count(text, "\n"); lines > attempts/2 || !strings.Contains(text, "TLS handshake error") || !strings.Contains(text, "listener=api.listen") || strings.Contains(text, "usher_0123") {
		t.Errorf("%d lines: %s", lines, text)
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: ca.ClientTLS()}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr().String(), nil)
	callouttest.Must(t, err)
	res, err := client.Do(req)
	callouttest.Must(t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(res.Body)
	callouttest.Must(t, err)
	callouttest.Must(t, res.Body.Close())
	if b.String() != "hello" {
		t.Errorf("got %q", b.String())
	}
	if _, err := listener.Start(context.Background(), listener.Config{Name: "http.listen", Address: s.Addr().String(), MaxConnections: 1}); err == nil || !strings.Contains(err.Error(), "http.listen: ") {
		t.Errorf("an address in use: %v", err)
	}
}
