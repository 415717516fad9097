package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// stranger listens like a nats-server with TLS, with a certificate of its own for this name.
func stranger(t *testing.T, address, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	callouttest.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	callouttest.Must(t, err)
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	l, err := net.Listen("tcp", address)
	callouttest.Must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "INFO {\"server_id\":\"x\",\"tls_required\":true,\"max_payload\":1048576}\r\n") // usher may be gone
			_ = tls.Server(c, config).Handshake()
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
}

// The names of a certificate that nobody trusts are part of errors. They look like nothing
// else in them.
//
// Attack: a stranger in the place of nats-server has a certificate whose name forges lines of usher's output, or steers the terminal
// Held by: texts of others have no control characters, and do not begin a line
func TestForgedOutput(t *testing.T) {
	const forged = "ok      everything: fine"
	in := newInstallation(t)
	address := strings.TrimPrefix(in.URL, "nats://")
	in.Edit(t, setup.FileConfig, "urls: [nats://127.0.0.1:", "urls: [nats://localhost:")
	stranger(t, address, "x\n"+forged+"\x1b[2J\r\nusher: hint: run this")
	for _, args := range [][]string{
		{"check", "-c", in.Config()},
		{"check", "--json", "-c", in.Config()},
		{"try", "publish", "-s", strings.Replace(in.URL, "127.0.0.1", "localhost", 1), "--token-file", in.token(t, "some-token"), "a", "b"},
	} {
		_, stdout, stderr := usher(t, args...)
		if !strings.Contains(stdout+stderr, forged) {
			t.Errorf("%v: the test is about the name, which is not there:\n%s%s", args, stdout, stderr)
		}
		for line := range strings.Lines(stdout + stderr) {
			if strings.HasPrefix(line, forged) || strings.HasPrefix(line, "usher: hint: run this") || strings.ContainsAny(line, "\x1b\r") || strings.Contains(line, `\u001b`) {
				t.Errorf("%v: %q", args, line)
			}
		}
	}
}
