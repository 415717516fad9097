package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest/gatewaytest"
	"usher/app/devserver"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/secretfile"
)

// A nats-server and a TLS client of Go use the certificates: the client sees those of the
// server, and gets in with its own.
func TestServer(t *testing.T) {
	dir := newDir(t, 0)
	server := issue(t, dir, pki.Request{CN: "server", DNS: []string{"events.example.org"}, Server: true})
	issue(t, dir, pki.Request{CN: "client", DNS: []string{"client"}, Client: true})
	address := fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t))
	file := filepath.Join(t.TempDir(), "nats-server.conf")
	callouttest.Must(t, secretfile.Write(file, fmt.Appendf(nil, "listen: %q\ntls { cert_file: %q, key_file: %q, ca_file: %q, verify_and_map: true }\nauthorization { users: [ { user: client } ] }\n",
		address, filepath.ToSlash(dir.CertFile("server")), filepath.ToSlash(dir.KeyFile("server")), filepath.ToSlash(dir.CAFile()))))
	srv, err := devserver.Start(devserver.Config{ConfigFile: file, LogFile: file + ".log"})
	callouttest.Must(t, err)
	defer srv.Stop()
	ca, err := dir.Authority()
	callouttest.Must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	connect := func(name, certificate string) (*nats.Conn, error) {
		pair, err := tls.LoadX509KeyPair(dir.CertFile(certificate), dir.KeyFile(certificate))
		callouttest.Must(t, err)
		return nats.Connect("nats://"+address, nats.Timeout(20*time.Second), nats.Secure(&tls.Config{
			MinVersion: tls.VersionTLS12, ServerName: name, RootCAs: roots, Certificates: []tls.Certificate{pair},
		}))
	}
	nc, err := connect("events.example.org", "client")
	callouttest.Must(t, err)
	defer nc.Close()
	if state, err := nc.TLSConnectionState(); err != nil || !state.PeerCertificates[0].Equal(server) {
		t.Errorf("the server has another certificate: %v", err)
	}
	if nc, err := connect("other.example.org", "client"); err == nil {
		nc.Close()
		t.Error("the certificate of the server holds for another name")
	}
	if nc, err := connect("events.example.org", "server"); err == nil {
		nc.Close()
		t.Error("the certificate of a server is one of a client")
	}
}

// All certificates of an event gateway are renewed while everything runs. After a reload
// new connections see the renewed ones, those of the gateways too. Existing ones stay, but
// for supervisors, who come back.
func TestRenewEventGateway(t *testing.T) {
	g := gatewaytest.New(t, nil)
	external, internal := g.Server(t, setup.FileExternal), g.Server(t, setup.FileInternal)
	joined := func() bool { return external.Gateways() == 1 && internal.Gateways() == 1 }
	callouttest.Eventually(t, "the servers are joined", joined)
	g.Usher(t)
	lost := make(chan error, 8)
	service := g.Service(t, setup.ServiceApplications, nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { lost <- err }))
	supervisor := g.Supervisor(t, gatewaytest.IngestToken)
	events, err := service.SubscribeSync("habitat.event.>")
	callouttest.Must(t, err)
	callouttest.Must(t, service.Flush())
	arrives := func(from *nats.Conn) {
		t.Helper()
		// A message can be lost while the gateways tell each other of the subscription.
		callouttest.Eventually(t, "an event arrives", func() bool {
			callouttest.Must(t, from.Publish("habitat.event.healthcheck", []byte("x")))
			_, err := events.NextMsg(time.Second)
			return err == nil
		})
	}
	arrives(supervisor)

	dir := pki.Dir(g.Path(setup.DirPKI))
	renewed := map[string]*x509.Certificate{}
	for _, name := range []string{setup.CertPublic, setup.GatewayExternal, setup.GatewayInternal, setup.ServiceApplications} {
		renewed[name], err = dir.Renew(name, time.Now())
		callouttest.Must(t, err)
	}
	callouttest.Must(t, external.Reload())
	callouttest.Must(t, internal.Reload())

	sees := func(what string, state tls.ConnectionState, name string) {
		t.Helper()
		if !state.PeerCertificates[0].Equal(renewed[name]) {
			t.Errorf("%s: serial number %x of %s, not that of the renewed certificate", what, state.PeerCertificates[0].SerialNumber, name)
		}
	}
	newSupervisor := g.Supervisor(t, gatewaytest.IngestToken)
	state, err := newSupervisor.TLSConnectionState()
	callouttest.Must(t, err)
	sees("a supervisor", state, setup.CertPublic)
	state, err = g.Service(t, setup.ServiceApplications).TLSConnectionState()
	callouttest.Must(t, err)
	sees("a service", state, setup.GatewayInternal)
	for i, names := range [][2]string{{setup.GatewayExternal, setup.GatewayInternal}, {setup.GatewayInternal, setup.GatewayExternal}} {
		conn, err := (&tls.Dialer{Config: g.GatewayTLS(t, names[1], names[0])}).DialContext(t.Context(), "tcp", g.Gateways[i])
		callouttest.Must(t, err)
		sees("a gateway", conn.(*tls.Conn).ConnectionState(), names[0])
		callouttest.Must(t, conn.Close())
	}
	if !joined() || len(lost) > 0 || !service.IsConnected() {
		t.Errorf("the service lost %d connections, gateways %d and %d", len(lost), external.Gateways(), internal.Gateways())
	}
	arrives(newSupervisor) // at the service that was connected before
	// Up to 2.15.2, any reload ends the connections that came over auth callout.
	callouttest.Eventually(t, "the supervisor is connected", func() bool { return supervisor.IsConnected() && supervisor.Flush() == nil })
	arrives(supervisor)

	// The gateways join again with what they have now.
	internal.Stop()
	callouttest.Eventually(t, "the internal server is away", func() bool { return external.Gateways() == 0 })
	internal = g.Server(t, setup.FileInternal)
	callouttest.Eventually(t, "the servers are joined again", joined)
	callouttest.Eventually(t, "the service is connected again", func() bool { return service.IsConnected() && service.Flush() == nil })
	callouttest.Eventually(t, "an event arrives", func() bool {
		callouttest.Must(t, supervisor.Publish("habitat.event.healthcheck", []byte("x")))
		_, err := events.NextMsg(time.Second)
		return err == nil
	})
}
