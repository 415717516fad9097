package setup_test

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/app/apptest/gatewaytest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// issued makes a certificate of a CA, and returns its files.
func issued(t *testing.T, ca *pki.Authority, r pki.Request) setup.CertFiles {
	t.Helper()
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	pair, err := ca.Issue(&r)
	callouttest.Must(t, err)
	dir := t.TempDir()
	f := setup.CertFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "cert.key")}
	callouttest.Must(t, os.WriteFile(f.Cert, pair.Cert, 0o600))
	callouttest.Must(t, os.WriteFile(f.Key, pair.Key, 0o600))
	return f
}

// authority makes a CA, and returns its file.
func authority(t *testing.T) (ca *pki.Authority, file string) {
	t.Helper()
	ca, pair, err := pki.NewAuthority("another CA", 0, time.Now())
	callouttest.Must(t, err)
	file = filepath.Join(t.TempDir(), "ca.pem")
	callouttest.Must(t, os.WriteFile(file, pair.Cert, 0o600))
	return ca, file
}

// authorityOf returns the CA of an installation.
func authorityOf(t *testing.T, g *gatewaytest.Gateway) *pki.Authority {
	t.Helper()
	cert, err := os.ReadFile(g.Path(setup.FileCA))
	callouttest.Must(t, err)
	key, err := os.ReadFile(g.Path(setup.FileCAKey))
	callouttest.Must(t, err)
	ca, err := pki.ParseAuthority(pki.Pair{Cert: cert, Key: key})
	callouttest.Must(t, err)
	return ca
}

// Who connects to the external server needs a token. Nothing else is asked for, and nothing
// else counts.
//
// Attack: a client of the event gateway connects with an old version of TLS, as a service of the internal server, or with credentials of NATS
// Held by: the external server speaks TLS 1.2 and later and knows no users but usher's own two; usher decides about everybody else
func TestExternalServer(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	g.Start(t)
	g.Supervisor(t, gatewaytest.IngestToken)
	user, err := nkeys.CreateUser()
	callouttest.Must(t, err)
	public, err := user.PublicKey()
	callouttest.Must(t, err)
	account, err := nkeys.CreateAccount()
	callouttest.Must(t, err)
	userJWT, err := jwt.NewUserClaims(public).Encode(account)
	callouttest.Must(t, err)
	for name, options := range map[string][]nats.Option{
		"nothing":                   nil,
		"another token":             {nats.Token("another-key")},
		"user and password":         {nats.UserInfo("event-service", "secret")},
		"usher without a password":  {nats.UserInfo(setup.ServiceUser, "")},
		"usher's password is wrong": {nats.UserInfo(setup.ServiceUser, "secret")},
		"a user of another account": {nats.UserInfo(setup.ServiceApplications, "")},
		"an nkey":                   {nats.Nkey(public, user.Sign)},
		"a JWT":                     {nats.UserJWT(func() (string, error) { return userJWT, nil }, user.Sign)},
		"a certificate of a service": {func(o *nats.Options) error {
			o.TLSConfig.Certificates = g.InternalTLS(t, setup.ServiceApplications).Certificates
			return nil
		}},
	} {
		options = append([]nats.Option{nats.Secure(g.ExternalTLS(t, "localhost")), callouttest.ConnectTimeout()}, options...)
		if nc, err := nats.Connect(g.URL, options...); err == nil {
			nc.Close()
			t.Errorf("%s: it connects", name)
		} else if !errors.Is(err, nats.ErrAuthorization) && !errors.Is(err, nats.ErrNkeysNotSupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for user, file := range map[string]string{setup.ServiceUser: setup.FilePassword, setup.SystemUser: setup.FileSystem} {
		password, err := os.ReadFile(g.Path(file))
		callouttest.Must(t, err)
		g.Supervisor(t, "", nats.UserInfo(user, strings.TrimSpace(string(password))))
	}

	old := g.ExternalTLS(t, "localhost")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := nats.Connect(g.URL, nats.Secure(old), nats.Token(gatewaytest.IngestToken)); err == nil || !strings.Contains(err.Error(), "tls: protocol version not supported") {
		t.Errorf("TLS 1.1: %v", err)
	}
	asked := false
	config := g.ExternalTLS(t, "localhost")
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		return new(tls.Certificate), nil
	}
	g.Supervisor(t, gatewaytest.IngestToken, nats.Secure(config))
	if asked {
		t.Error("the server asks for a client certificate")
	}
}

// Neither server has HTTP monitoring, JetStream, or a listener of another kind.
func TestEventGatewayListeners(t *testing.T) {
	g := gatewaytest.New(t, nil)
	for _, name := range []string{setup.FileExternal, setup.FileInternal} {
		o, err := natsserver.ProcessConfigFile(g.Path(name))
		callouttest.Must(t, err)
		if o.HTTPPort != 0 || o.HTTPSPort != 0 || o.JetStream || o.ProfPort != 0 || o.LeafNode.Port != 0 || o.Websocket.Port != 0 || o.MQTT.Port != 0 || o.Cluster.Port != 0 || o.NoAuthUser != "" {
			t.Errorf("%s: %+v", name, o)
		}
		if external := name == setup.FileExternal; (o.TLSConfig.ClientAuth == tls.NoClientCert) != external || o.TLSMap == external || (o.AuthCallout == nil) == external || o.TLSConfig.MinVersion != tls.VersionTLS12 {
			t.Errorf("%s: verify %v, map %v, callout %v, TLS from %x", name, o.TLSConfig.ClientAuth, o.TLSMap, o.AuthCallout, o.TLSConfig.MinVersion)
		}
		if !o.Gateway.RejectUnknown || o.Gateway.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert || !o.Gateway.TLSCheckKnownURLs {
			t.Errorf("%s: the gateway lets others in", name)
		}
	}
}

// Attack: who has a token sends requests to the streaming server that it does not answer, each with another subject for the answer, to fill the memory of the external server.
// Held by: nats-server forgets a request after 30 s, as long as a client waits for its acknowledgement, instead of two minutes; how many it gets meanwhile has no limit.
func TestUnansweredRequestsAreForgotten(t *testing.T) {
	g := gatewaytest.New(t, nil)
	for _, name := range []string{setup.FileExternal, setup.FileInternal} {
		o, err := natsserver.ProcessConfigFile(g.Path(name))
		callouttest.Must(t, err)
		checked := 0
		for _, account := range o.Accounts {
			if account.Name != setup.AccountEvents {
				continue
			}
			for _, subject := range []string{"_STAN.discover.event-service", "_STAN.discover.event-service.*", "_STAN.pub.*.habitat", "_STAN.close.*"} {
				threshold, err := account.ServiceExportResponseThreshold(subject)
				callouttest.Must(t, err)
				if threshold != 30*time.Second {
					t.Errorf("%s: %s: %v", name, subject, threshold)
				}
				checked++
			}
		}
		if checked != 4 {
			t.Errorf("%s: %d exports", name, checked)
		}
	}
}

// Each name has its certificate. A client that asks for no name, as one that connects to an
// address does, gets the first.
func TestEventGatewaySNI(t *testing.T) {
	ca, file := authority(t)
	g := gatewaytest.New(t, func(o *setup.EventGateway) {
		o.Hosts, o.PublicCA = nil, file
		for _, name := range []string{"first.example.org", "second.example.org"} {
			o.Public = append(o.Public, issued(t, ca, pki.Request{CN: name, DNS: []string{name}, Server: true}))
		}
	})
	g.Start(t) // usher verifies the first
	roots := g.ExternalTLS(t, "").Clone()
	roots.RootCAs.AddCert(ca.Cert)
	for name, want := range map[string]string{"first.example.org": "first.example.org", "second.example.org": "second.example.org", "": "first.example.org"} {
		config := roots.Clone()
		config.ServerName = name
		got := ""
		config.InsecureSkipVerify = name == ""
		config.VerifyConnection = func(s tls.ConnectionState) error {
			got = s.PeerCertificates[0].DNSNames[0]
			return nil
		}
		g.Supervisor(t, gatewaytest.IngestToken, nats.Secure(config))
		if got != want {
			t.Errorf("asked for %q: got %s", name, got)
		}
	}
	if _, err := os.Stat(g.Path(setup.CertFile(setup.CertPublic))); !os.IsNotExist(err) {
		t.Errorf("a certificate for supervisors was made: %v", err)
	}
}

// Only a certificate of the CA with the name of a service connects to the internal server,
// and each service has its own subjects.
//
// Attack: somebody without a certificate of a service reads events from the internal server, or a service does what another may do
// Held by: the internal server verifies certificates, maps their names to the users in its file or asks usher, and each has only the subjects of its service
func TestInternalServer(t *testing.T) {
	t.Parallel()
	for _, by := range []setup.ServicesBy{setup.ServicesByServer, setup.ServicesByCallout} {
		t.Run(string(by), func(t *testing.T) { checkInternalServer(t, by) })
	}
}

func checkInternalServer(t *testing.T, by setup.ServicesBy) {
	t.Helper()
	g := gatewaytest.New(t, func(o *setup.EventGateway) { o.Services = by })
	g.Start(t)
	ca := authorityOf(t, g)
	other, _ := authority(t)
	pair := func(ca *pki.Authority, name string) nats.Option {
		f := issued(t, ca, pki.Request{CN: name, DNS: []string{name}, Client: true})
		config := g.InternalTLS(t, setup.ServiceApplications)
		certificate, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		callouttest.Must(t, err)
		config.Certificates = []tls.Certificate{certificate}
		return nats.Secure(config)
	}
	without := g.InternalTLS(t, setup.ServiceApplications)
	without.Certificates = nil
	for name, options := range map[string][]nats.Option{
		"no certificate":                      {nats.Secure(without)},
		"no certificate, but a token":         {nats.Secure(without), nats.Token(gatewaytest.IngestToken)},
		"of another CA":                       {pair(other, setup.ServiceApplications)},
		"a name that is not listed":           {pair(ca, "license-service")},
		"and the user name of a service":      {pair(ca, "license-service"), nats.UserInfo(setup.ServiceApplications, "")},
		"the certificate of the other server": {nats.Secure(g.InternalTLS(t, setup.GatewayExternal))},
		"that for supervisors":                {nats.Secure(g.InternalTLS(t, setup.CertPublic))},
	} {
		if nc, err := nats.Connect("nats://"+g.Internal, append(options, callouttest.ConnectTimeout())...); err == nil {
			nc.Close()
			t.Errorf("%s: it connects", name)
		}
	}
	for service, subjects := range map[string]struct{ publish, subscribe []string }{
		setup.ServiceApplications: {
			publish:   []string{"habitat.event.healthcheck", "_STAN.pub.event-service.habitat", "$SYS.REQ.SERVER.PING", "_STAN.acks.x", "x"},
			subscribe: []string{">", "_STAN.pub.>", "_STAN.sub.event-service", "$SYS.>", "habitat.>"},
		},
		setup.GatewayInternal: {
			publish:   []string{"habitat.event.healthcheck", "_STAN.pub.event-service.habitat", "x"},
			subscribe: []string{">", "habitat.event.>", "_STAN.>", "_STAN.acks.>"},
		},
	} {
		refused := make(chan error, 100)
		nc := g.Service(t, service, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		expect := func(what, subject string) {
			callouttest.Must(t, nc.Flush())
			select {
			case err := <-refused:
				if !strings.Contains(err.Error(), `"`+subject+`"`) {
					t.Errorf("%s: %s %s: %v", service, what, subject, err)
				}
			case <-time.After(10 * time.Second):
				t.Errorf("%s: %s %s is not refused", service, what, subject)
			}
		}
		for _, subject := range subjects.publish {
			callouttest.Must(t, nc.Publish(subject, nil))
			expect("publish", subject)
		}
		for _, subject := range subjects.subscribe {
			_, err := nc.SubscribeSync(subject)
			callouttest.Must(t, err)
			expect("subscribe", subject)
		}
	}
}
