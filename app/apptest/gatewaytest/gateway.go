// Package gatewaytest is for tests that need an event gateway: both nats-servers with the
// files of "usher init --event-gateway", joined, and usher.
package gatewaytest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/devserver"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// Gateway is an installation of "usher init --event-gateway" in a temporary folder, on
// free ports of loopback.
type Gateway struct {
	apptest.Site          // URL is that of the external server
	Internal     string   // HOST:PORT of the internal server
	Gateways     []string // HOST:PORT of the gateways, the external one first
	Log          *callouttest.Buffer
	stopUsher    func()
	store        string // HOST:PORT of the store; empty: there is none
}

// IngestToken is the token of the user of the directory who has the role ingest.
const IngestToken = "ingest-key"

// New writes the files of an event gateway. change changes the options of setup.
func New(tb testing.TB, change func(*setup.EventGateway)) *Gateway {
	tb.Helper()
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(tb)) }
	g := &Gateway{
		Site:     apptest.Site{Dir: filepath.Join(tb.TempDir(), "gateway"), URL: "nats://" + address(), Web: "http://" + address()},
		Internal: address(), Gateways: []string{address(), address()}, Log: &callouttest.Buffer{},
	}
	o := setup.EventGateway{
		Options: setup.Options{
			Dir: g.Dir, Listen: g.URL[len("nats://"):], Random: rand.Reader, Now: time.Now(),
			Config:    map[string]string{"http.listen": g.Web[len("http://"):], "api.listen": "127.0.0.1:0"},
			Directory: []byte(callouttest.WithDigests("users:\n  - name: habitat\n    service_roles: [ingest]\n    keys: [{digest: KEY(" + IngestToken + ")}]\nprojects: []\n")),
		},
		Hosts: []string{"localhost", "events.example.org", "127.0.0.1"}, Internal: g.Internal,
	}
	o.GatewayOf.External, o.GatewayOf.Internal = g.Gateways[0], g.Gateways[1]
	if change != nil {
		change(&o)
	}
	if o.Bridge != nil {
		g.store = o.Bridge.Store
	}
	_, err := setup.WriteEventGateway(&o)
	callouttest.Must(tb, err)
	return g
}

// Server starts one of the servers, setup.FileExternal or setup.FileInternal, in this
// process. It stops when the test ends, or before with Stop.
func (g *Gateway) Server(tb testing.TB, file string) *devserver.Server {
	tb.Helper()
	var srv *devserver.Server
	var err error
	callouttest.Eventually(tb, "its port is free", func() bool {
		srv, err = devserver.Start(devserver.Config{ConfigFile: g.Path(file), LogFile: g.Path(file + ".log")})
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	callouttest.Must(tb, err)
	tb.Cleanup(srv.Stop)
	return srv
}

// Usher starts usher with usher.yaml. It stops when the test ends, or before with
// StopUsher.
func (g *Gateway) Usher(tb testing.TB) *server.Server {
	tb.Helper()
	cfg, err := config.Load(g.Config())
	callouttest.Must(tb, err)
	srv, err := server.New(cfg, g.Log)
	callouttest.Must(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended, started := make(chan error, 1), make(chan struct{})
	go func() { ended <- srv.Serve(ctx, func() { close(started) }) }()
	select {
	case <-started:
	case err := <-ended:
		cancel()
		tb.Fatalf("usher did not start: %v\n%s", err, g.Log)
	}
	stopped := false
	g.stopUsher = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("usher: %v", err)
		}
	}
	tb.Cleanup(g.stopUsher)
	callouttest.Eventually(tb, "usher is ready", func() bool { return srv.Ready() == nil })
	return srv
}

// StopUsher stops the usher that Usher started last.
func (g *Gateway) StopUsher() { g.stopUsher() }

// Start starts both servers, the store if there is one, and usher, and waits until the
// servers are joined.
func (g *Gateway) Start(tb testing.TB) {
	tb.Helper()
	external, internal := g.Server(tb, setup.FileExternal), g.Server(tb, setup.FileInternal)
	callouttest.Eventually(tb, "the servers are joined", func() bool { return external.Gateways() == 1 && internal.Gateways() == 1 })
	if g.store != "" {
		g.Server(tb, setup.FileStore)
		callouttest.Eventually(tb, "the store is joined", func() bool { return internal.LeafNodes() == 1 })
	}
	g.Usher(tb)
}

// ExternalTLS is what a supervisor verifies the external server with. It asks for a name.
func (g *Gateway) ExternalTLS(tb testing.TB, name string) *tls.Config {
	tb.Helper()
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, RootCAs: g.roots(tb)}
}

func (g *Gateway) roots(tb testing.TB) *x509.CertPool {
	tb.Helper()
	text, err := os.ReadFile(g.Path(setup.FileCA))
	callouttest.Must(tb, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return roots
}

// InternalTLS is what a service connects to the internal server with: its certificate.
func (g *Gateway) InternalTLS(tb testing.TB, service string) *tls.Config {
	tb.Helper()
	return g.GatewayTLS(tb, service, setup.GatewayInternal)
}

// GatewayTLS is what one gateway connects to another with: its certificate, and the name of
// the other one.
func (g *Gateway) GatewayTLS(tb testing.TB, name, other string) *tls.Config {
	tb.Helper()
	pair, err := tls.LoadX509KeyPair(g.Path(setup.CertFile(name)), g.Path(setup.KeyFile(name)))
	callouttest.Must(tb, err)
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: other, RootCAs: g.roots(tb), Certificates: []tls.Certificate{pair}}
}

// Supervisor connects to the external server with a token.
func (g *Gateway) Supervisor(tb testing.TB, token string, more ...nats.Option) *nats.Conn {
	tb.Helper()
	return apptest.Connected(tb, g.URL, append([]nats.Option{nats.Token(token), nats.Secure(g.ExternalTLS(tb, "localhost"))}, more...)...)
}

// Service connects to the internal server with the certificate of a service.
func (g *Gateway) Service(tb testing.TB, name string, more ...nats.Option) *nats.Conn {
	tb.Helper()
	return apptest.Connected(tb, "nats://"+g.Internal, append([]nats.Option{nats.Secure(g.InternalTLS(tb, name))}, more...)...)
}

// ExternalAddress is HOST:PORT of the external server.
func (g *Gateway) ExternalAddress() (host, port string) {
	host, port, _ = net.SplitHostPort(g.URL[len("nats://"):])
	return host, port
}

// WithBridge is a change of the options: usher's bridge and a store in place of NATS
// Streaming.
func WithBridge(tb testing.TB) func(*setup.EventGateway) {
	tb.Helper()
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(tb)) }
	return func(o *setup.EventGateway) { o.Bridge = &setup.Bridge{Leaf: address(), Store: address()} }
}

// Store connects to the store as whoever administers its stream.
func (g *Gateway) Store(tb testing.TB) *nats.Conn {
	tb.Helper()
	secure := g.InternalTLS(tb, setup.ServiceStore)
	secure.ServerName = setup.ServiceStore
	return apptest.Connected(tb, "nats://"+g.store, nats.Secure(secure))
}
