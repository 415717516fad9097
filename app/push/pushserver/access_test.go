package pushserver_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"usher/app/pki"
	"usher/app/push/pushpb"
	"usher/app/push/pushserver"
	"usher/callout/callouttest"
)

// Only those get an answer whose own certificate has exactly one common name, which is
// allowed byte by byte.
//
// Attack: somebody with a certificate of the same CA has messages pushed where he likes
// Held by: an allow list of common names, compared byte by byte with the only one of the leaf
func TestAccess(t *testing.T) {
	s := newSite(t)
	other, _, err := pki.NewAuthority("other", 0, time.Now())
	callouttest.Must(t, err)
	now := time.Now()
	client := func(ca *pki.Authority, cn string, dns ...string) *tls.Certificate {
		return pair(t, ca, &pki.Request{CN: cn, DNS: dns, Client: true, Now: now})
	}
	twoNames := func(names ...string) (*tls.Certificate, *pushServerOf) {
		ca := callouttest.NewCA(t)
		commonName := asn1.ObjectIdentifier{2, 5, 4, 3}
		c := ca.Certificate(t, func(c *x509.Certificate) {
			c.Subject = pkix.Name{}
			for _, n := range names {
				c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: commonName, Value: n})
			}
			c.DNSNames = []string{messagingName}
		})
		certFile, keyFile := c.Files(t, "client")
		out, err := tls.LoadX509KeyPair(certFile, keyFile)
		callouttest.Must(t, err)
		return &out, &pushServerOf{clientCA: ca.File}
	}
	two, twoSite := twoNames("other", messagingName)
	twoTurned, twoTurnedSite := twoNames(messagingName, "other")
	none, noneSite := twoNames()
	const handshake = codes.Unavailable // TLS refuses it, before any call
	for name, c := range map[string]struct {
		cert *tls.Certificate
		at   *pushServerOf
		want codes.Code
	}{
		"right name":                   {client(s.ca, messagingName), nil, codes.OK},
		"another name":                 {client(s.ca, "another.example.org"), nil, codes.Unauthenticated},
		"another case":                 {client(s.ca, "Messaging.example.org"), nil, codes.Unauthenticated},
		"a longer name":                {client(s.ca, messagingName+" "), nil, codes.Unauthenticated},
		"name only as SAN":             {client(s.ca, "another.example.org", messagingName), nil, codes.Unauthenticated},
		"two names, right one last":    {two, twoSite, codes.Unauthenticated},
		"two names, right one first":   {twoTurned, twoTurnedSite, codes.Unauthenticated},
		"no name, only the SAN":        {none, noneSite, codes.Unauthenticated},
		"expired":                      {pair(t, s.ca, &pki.Request{CN: messagingName, Client: true, Now: now, Lifetime: time.Nanosecond}), nil, handshake},
		"another CA":                   {client(other, messagingName), nil, handshake},
		"for servers only":             {pair(t, s.ca, &pki.Request{CN: messagingName, DNS: []string{messagingName}, Server: true, Now: now}), nil, handshake},
		"no certificate":               {nil, nil, handshake},
		"right name once more, at end": {client(s.ca, messagingName), nil, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			at := s
			if c.at != nil {
				at = newSite(t, func(cfg *pushserver.Config) { cfg.ClientCA = c.at.clientCA })
			}
			callouttest.Must(t, at.active.Load(t.Context()))
			cc := at.conn(t, c.cert)
			_, err := pushpb.NewPushServiceClient(cc).Status(t.Context(), &pushpb.StatusRequest{})
			if got := status.Code(err); got != c.want {
				t.Errorf("Status: %v, expected %s", err, c.want)
			}
			_, err = grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
			if got := status.Code(err); got != c.want {
				t.Errorf("health: %v, expected %s", err, c.want)
			}
			watch, err := grpc_health_v1.NewHealthClient(cc).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
			if err == nil {
				_, err = watch.Recv()
			}
			if got := status.Code(err); got != c.want {
				t.Errorf("a stream: %v, expected %s", err, c.want)
			}
			if c.want == codes.Unauthenticated && status.Convert(err).Message() != "UNAUTHORISED" {
				t.Errorf("message %q is not that of AMS", status.Convert(err).Message())
			}
		})
	}
}

// pushServerOf is a push server for clients of another CA.
type pushServerOf struct{ clientCA string }

// TLS 1.1 is refused, and TLS 1.2 is not.
func TestTLSVersion(t *testing.T) {
	s := newSite(t)
	callouttest.Must(t, s.active.Load(t.Context()))
	cert := pair(t, s.ca, &pki.Request{CN: messagingName, Client: true, Now: time.Now()})
	for version, want := range map[uint16]codes.Code{tls.VersionTLS11: codes.Unavailable, tls.VersionTLS12: codes.OK, tls.VersionTLS13: codes.OK} {
		c := s.client(t, cert, func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = version, version })
		if _, err := c.Status(t.Context(), &pushpb.StatusRequest{}); status.Code(err) != want {
			t.Errorf("%s: %v, expected %s", tls.VersionName(version), err, want)
		}
	}
}

// A connection does not outlive its certificate.
func TestExpiryDuringConnection(t *testing.T) {
	var ahead atomic.Int64
	s := newSite(t, func(cfg *pushserver.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	callouttest.Must(t, s.active.Load(t.Context()))
	c := s.client(t, pair(t, s.ca, &pki.Request{CN: messagingName, Client: true, Now: time.Now(), Lifetime: time.Hour}))
	_, err := c.Status(t.Context(), &pushpb.StatusRequest{})
	callouttest.Must(t, err)
	ahead.Store(int64(2 * time.Hour))
	if _, err := c.Status(t.Context(), &pushpb.StatusRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with an expired certificate: %v", err)
	}
}

// A renewed certificate of the push server is presented without a restart.
func TestCertificateReload(t *testing.T) {
	s := newSite(t)
	callouttest.Must(t, s.active.Load(t.Context()))
	serial := func() string {
		cert := pair(t, s.ca, &pki.Request{CN: messagingName, Client: true, Now: time.Now()})
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*cert}, NextProtos: []string{"h2"}}}
		conn, err := d.DialContext(t.Context(), "tcp", s.server.Addr().String())
		callouttest.Must(t, err)
		defer conn.Close() //nolint:errcheck // only looked at
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	cert, key := s.issue(t, s.ca, &pki.Request{CN: "push.example.org", DNS: []string{"push.example.org"}, Server: true, Now: time.Now()})
	later := time.Now().Add(time.Minute)
	callouttest.Must(t, os.Chtimes(cert, later, later))
	callouttest.Must(t, os.Chtimes(key, later, later))
	if serial() == before {
		t.Error("the previous certificate is presented")
	}
}

// A request above the limit is refused, and so is a connection above the limit.
func TestLimits(t *testing.T) {
	s := newSite(t, func(cfg *pushserver.Config) { cfg.Connections = 4 }) // of one address: 1
	callouttest.Must(t, s.active.Load(t.Context()))
	c := s.good(t)
	large := activation("s")
	large.Subscription.PushConfig.MattermostUsername = strings.Repeat("x", 1<<20)
	if _, err := c.ActivateSubscription(t.Context(), large); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a request of 1 MiB: %v", err)
	}
	if _, err := s.good(t).Status(t.Context(), &pushpb.StatusRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a second connection: %v", err)
	}
	if _, err := c.Status(t.Context(), &pushpb.StatusRequest{}); err != nil {
		t.Errorf("the first connection: %v", err)
	}
}
