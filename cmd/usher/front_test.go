package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/secretfile"
)

// front is in front of the external server of an event gateway. It has the certificate of
// that server, another version of TLS, and advertises another address.
type front struct {
	listener  net.Listener
	gateway   *gatewaytest.Gateway
	tls       *tls.Config
	advertise string      // for connect_urls
	cut       atomic.Bool // ends connections after INFO
}

func startFront(t *testing.T, g *gatewaytest.Gateway, version string) *front {
	t.Helper()
	versions := map[string]uint16{"1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	pair, err := tls.LoadX509KeyPair(g.Path(setup.CertFile(setup.CertPublic)), g.Path(setup.KeyFile(setup.CertPublic)))
	callouttest.Must(t, err)
	f := &front{listener: listenLocal(t), gateway: g, tls: &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: versions[version], MaxVersion: versions[version],
	}}
	callouttest.Must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var all sync.WaitGroup
		defer all.Wait()
		for {
			conn, err := f.listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.serve(conn, g.ExternalTLS(t, "localhost")) })
		}
	}()
	t.Cleanup(func() { _ = f.listener.Close(); <-ended })
	return f
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	return l
}

func (f *front) url() string { return "nats://" + f.listener.Addr().String() }

// configure writes a configuration that has the front as its server.
func (f *front) configure(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(f.gateway.Config())
	callouttest.Must(t, err)
	callouttest.Must(t, secretfile.Write(file, []byte(strings.Replace(string(text), f.gateway.URL, f.url(), 1))))
}

// serve is one connection: INFO of the server, TLS to both sides, and then what they say.
func (f *front) serve(client net.Conn, toServer *tls.Config) {
	defer client.Close() //nolint:errcheck // the end
	server, err := net.Dial("tcp", strings.TrimPrefix(f.gateway.URL, "nats://"))
	if err != nil {
		return
	}
	defer server.Close()                                        //nolint:errcheck // the end
	line, err := bufio.NewReaderSize(server, 1).ReadBytes('\n') // nothing follows before TLS
	if err != nil {
		return
	}
	var info map[string]any
	if json.Unmarshal(bytes.TrimPrefix(line, []byte("INFO ")), &info) != nil {
		return
	}
	if f.advertise != "" {
		info["connect_urls"] = []string{f.advertise}
	}
	changed, err := json.Marshal(info)
	if err != nil {
		return
	}
	if _, err := client.Write(append(append([]byte("INFO "), changed...), "\r\n"...)); err != nil || f.cut.Load() {
		return
	}
	inner, outer := tls.Client(server, toServer), tls.Server(client, f.tls)
	if outer.Handshake() != nil || inner.Handshake() != nil {
		return
	}
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{inner, outer}, {outer, inner}} {
		go func() { _, _ = io.Copy(way[0], way[1]); done <- struct{}{} }()
	}
	<-done
	_, _ = inner.Close(), outer.Close()
	<-done
}

// trap counts connections.
type trap struct {
	listener    net.Listener
	connections atomic.Int64
}

func startTrap(t *testing.T) *trap {
	t.Helper()
	tr := &trap{listener: listenLocal(t)}
	t.Cleanup(func() { _ = tr.listener.Close() })
	go func() {
		for {
			conn, err := tr.listener.Accept()
			if err != nil {
				return
			}
			tr.connections.Add(1)
			_ = conn.Close()
		}
	}()
	return tr
}

func (tr *trap) address() string { return tr.listener.Addr().String() }
