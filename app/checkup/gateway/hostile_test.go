package gateway_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/app/checkup/finding"
	"usher/app/checkup/gateway"
	"usher/app/config"
	"usher/app/pki"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

// port accepts connections and handles each with serve, which ends when the connection is
// closed.
func port(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() //nolint:errcheck // the test is about the other side
				serve(c)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

// endless writes a line that does not end.
func endless(w io.Writer) {
	if _, err := w.Write([]byte("INFO ")); err != nil {
		return
	}
	junk := bytes.Repeat([]byte("x"), 1<<16)
	for {
		if _, err := w.Write(junk); err != nil {
			return
		}
	}
}

// Ports that are no good gateway, or none at all. Each costs bounded time and memory.
func TestHostilePorts(t *testing.T) {
	t.Parallel()
	ca, root, err := pki.NewAuthority("CA", 0, time.Now())
	callouttest.Must(t, err)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	callouttest.Must(t, os.WriteFile(caFile, root.Cert, 0o600))
	issued, err := ca.Issue(&pki.Request{CN: "g", DNS: []string{"g"}, Server: true, Client: true, Now: time.Now()})
	callouttest.Must(t, err)
	pair, err := tls.X509KeyPair(issued.Cert, issued.Key)
	callouttest.Must(t, err)
	secure := func(newest uint16, ask tls.ClientAuthType, then func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: newest, ClientAuth: ask})
			if s.Handshake() == nil {
				then(s)
			}
		}
	}
	info := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Write([]byte(text))
			_, _ = io.Copy(io.Discard, c)
		}
	}
	hang := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	drip := func(c net.Conn) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}
	for name, tt := range map[string]struct {
		serve  func(net.Conn)
		check  string
		kind   fault.Kind
		detail string
	}{
		"garbage":               {info("\x00\x01garbage\r\n"), "gateway address", fault.Config, "does not speak TLS"},
		"no TLS":                {info("INFO {}\r\n"), "gateway address", fault.Config, "has no TLS"},
		"endless INFO":          {func(c net.Conn) { endless(c) }, "gateway address", fault.Config, "has no TLS"},
		"never answers":         {hang, "gateway address", fault.Runtime, "does not answer within 5s"},
		"closes at once":        {func(net.Conn) {}, "gateway address", fault.Runtime, "the TLS handshake fails"},
		"accepts anyone":        {secure(0, tls.NoClientCert, info("INFO {\"gateway\":\"g\"}\r\n")), "gateway address", fault.Config, "accepts a connection without a certificate"},
		"asks but accepts":      {secure(0, tls.RequestClientCert, info("INFO {\"gateway\":\"g\"}\r\n")), "gateway address", fault.Config, "accepts a connection without a certificate"},
		"endless INFO in TLS":   {secure(0, tls.RequestClientCert, func(c net.Conn) { endless(c) }), "gateway address", fault.Config, "its first line is longer than 65536 bytes"},
		"garbage in TLS":        {secure(0, tls.RequestClientCert, info("HTTP/1.1 400 Bad Request\r\n")), "gateway address", fault.Config, "does not send INFO"},
		"silent in TLS":         {secure(0, tls.RequestClientCert, hang), "gateway address", fault.Runtime, "does not answer within 5s after the handshake"},
		"a byte at a time":      {secure(0, tls.RequestClientCert, drip), "gateway address", fault.Runtime, "does not answer within 5s after the handshake"},
		"an old version of TLS": {secure(tls.VersionTLS12, tls.RequireAnyClientCert, hang), "gateway address", fault.Config, "accepts TLS 1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.Gateways = []config.Gateway{{Name: "g", Address: port(t, tt.serve), CAFile: caFile}}
			var f finding.List
			gateway.CheckPorts(t.Context(), &f, &cfg, nil, time.Now())
			expect(t, f, []holds{{tt.check, "g at", finding.Error, tt.kind, tt.detail}})
		})
	}
}

// Ports for clients that are not as they should be.
func TestHostileClientPorts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		serve  func(net.Conn)
		kind   fault.Kind
		detail string
	}{
		"no TLS": {func(c net.Conn) {
			_, err := c.Write([]byte("INFO {\"server_id\":\"x\"}\r\n"))
			if err == nil {
				_, _ = io.Copy(io.Discard, c)
			}
		}, fault.Config, "accepts clients without TLS"},
		"endless INFO":  {func(c net.Conn) { endless(c) }, fault.Config, "its first line is longer"},
		"garbage":       {func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0\r\n")) }, fault.Config, "does not send INFO"},
		"never answers": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, fault.Runtime, "does not answer within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed, err := net.Listen("tcp", "127.0.0.1:0")
			callouttest.Must(t, err)
			callouttest.Must(t, closed.Close())
			cfg := config.Default()
			cfg.Gateways = []config.Gateway{{Name: "g", Address: closed.Addr().String(), Clients: config.GatewayClients{Address: port(t, tt.serve), Names: []string{"a", "b"}}}}
			var f finding.List
			gateway.CheckPorts(t.Context(), &f, &cfg, nil, time.Now())
			expect(t, f, []holds{{"client port", "g at", finding.Error, tt.kind, tt.detail}})
		})
	}
}
