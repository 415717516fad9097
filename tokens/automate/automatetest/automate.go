package automatetest

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"usher/app/pki"
	"usher/callout/callouttest"
	"usher/internal/secretfile"
	"usher/tokens/automate/automatepb"
)

// The names that the services have certificates for.
const (
	AuthnService = "authn-service"
	AuthzService = "authz-service"
)

// The resource and the action that subjects are allowed.
const (
	Resource = "ingest:unifiedEvents"
	Action   = "ingest:unifiedEvents:create"
)

// Reply is what the services say about a token.
type Reply struct {
	Subject   string
	Teams     []string
	Requestor string
	Projects  []string // in which the subject is allowed the action

	// The status, or another error, instead of an answer.
	AuthnError, AuthzError error
	// How long the service waits before it answers.
	AuthnDelay, AuthzDelay time.Duration
}

// Automate are both services. They stop when the test ends.
type Automate struct {
	Dir          string // of the files below
	CA           *pki.Authority
	CAFile       string
	Cert, Key    string // of usher
	Authn, Authz *Server

	mu      sync.Mutex
	replies map[string]Reply
	asked   []string // tokens
}

// New starts both services.
func New(tb testing.TB) *Automate {
	tb.Helper()
	a := &Automate{Dir: tb.TempDir(), replies: map[string]Reply{}}
	ca, pair, err := pki.NewAuthority("automate", 0, time.Now())
	callouttest.Must(tb, err)
	a.CA, a.CAFile = ca, a.write(tb, "ca.pem", pair.Cert)
	a.Cert, a.Key = a.Certificate(tb, a.CA, &pki.Request{CN: "event-gateway", Client: true, Now: time.Now()})
	authn, authz := &authnServer{a: a}, &authzServer{a: a}
	a.Authn = a.server(tb, AuthnService, func(s *grpc.Server) { automatepb.RegisterAuthenticationServiceServer(s, authn) })
	a.Authz = a.server(tb, AuthzService, func(s *grpc.Server) { automatepb.RegisterAuthorizationServiceServer(s, authz) })
	return a
}

func (a *Automate) server(tb testing.TB, name string, register func(*grpc.Server)) *Server {
	tb.Helper()
	s := &Server{Address: fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(tb)), register: register}
	cert, key := a.Certificate(tb, a.CA, &pki.Request{CN: name, DNS: []string{name}, Server: true, Now: time.Now()})
	s.Present(tb, cert, key)
	s.TLS.ClientCAs = Pool(a.CA)
	s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	s.Start(tb)
	tb.Cleanup(s.Stop)
	return s
}

// Certificate issues a certificate and returns the paths of certificate and key.
func (a *Automate) Certificate(tb testing.TB, ca *pki.Authority, r *pki.Request) (cert, key string) {
	tb.Helper()
	pair, err := ca.Issue(r)
	callouttest.Must(tb, err)
	return a.write(tb, r.CN+".pem", pair.Cert), a.write(tb, r.CN+".key", pair.Key)
}

func (a *Automate) write(tb testing.TB, name string, text []byte) string {
	tb.Helper()
	path := filepath.Join(a.Dir, name)
	callouttest.Must(tb, secretfile.Write(path, text))
	return path
}

// Set sets what the services say about a token. authn-service knows no others.
func (a *Automate) Set(token string, r Reply) { //nolint:gocritic // written as a literal
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replies[token] = r
}

// Asked returns the tokens that authn-service was asked about.
func (a *Automate) Asked() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.asked...)
}

// Config is an element of credentials.automate of usher.yaml. more are further keys, such
// as ", prefix: a_".
func (a *Automate) Config(name, more string) string {
	return fmt.Sprintf("{name: %s, authn: {address: %q}, authz: {address: %q}, tls: {ca_file: %q, cert_file: %q, key_file: %q}%s}",
		name, a.Authn.Address, a.Authz.Address, a.CAFile, a.Cert, a.Key, more)
}

// listen listens on an address that may have been in use until now.
func listen(tb testing.TB, address string) net.Listener {
	tb.Helper()
	var l net.Listener
	callouttest.Eventually(tb, "the port is free", func() (ok bool) {
		var err error
		l, err = (&net.ListenConfig{}).Listen(tb.Context(), "tcp", address)
		return err == nil
	})
	return l
}
