package server_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

const loginPath = "/v1/service-types/ams/hosts/worker.example.org:authx509"

// certified is a running usher with a listener for certificates, and a nats-server.
type certified struct {
	in  apptest.Site
	ca  *callouttest.CA
	srv *server.Server
	log callouttest.Buffer
}

func startCertified(t *testing.T) *certified {
	t.Helper()
	s := &certified{ca: callouttest.NewCA(t)}
	cert, key := s.ca.Issue(t, "usher")
	s.in = apptest.NewSite(t, func(o *setup.Options) {
		o.KV = true
		o.Config["api.listen"], o.Config["api.tls.cert_file"], o.Config["api.tls.key_file"] = "127.0.0.1:0", cert, key
		o.Config["api.x509.listen"], o.Config["api.x509.tls.cert_file"], o.Config["api.x509.tls.key_file"] = "127.0.0.1:0", cert, key
		o.Config["api.x509.client_ca_file"] = s.ca.File
	})
	s.in.NatsServer(t)
	cfg, err := config.Load(s.in.Config())
	callouttest.Must(t, err)
	s.srv, err = server.New(cfg, &s.log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.srv.Serve(ctx, func() { close(started) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v\n%s", err, &s.log)
		}
	})
	<-started
	callouttest.Eventually(t, "usher is ready", func() bool { return s.srv.Ready() == nil })
	id := directory.IDOf(directory.KindUser, "root")
	binding := &directory.Key{Other: &directory.OtherKey{Kind: directory.KeyBinding, DN: "CN=worker", ServiceType: "ams", Host: "worker.example.org"}}
	binding.Digest, _ = binding.DigestFor(id)
	_, err = s.srv.Bucket().Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return []directory.Entry{
			{Key: directory.UserKey(id), Value: &directory.User{Name: "root", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}}},
			{Key: directory.KeyKey(id, "worker"), Value: binding},
		}, nil
	})
	callouttest.Must(t, err)
	return s
}

// A client in Python logs in with its certificate as the client of AMS does, and uses the
// key with the API and with nats-server.
func TestLoginWithCertificate(t *testing.T) {
	t.Parallel()
	s := startCertified(t)
	cert, key := s.ca.Certificate(t, func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "worker"} }).Files(t, "worker")
	login, api := strings.TrimPrefix(s.srv.X509URL(), "https://"), strings.TrimPrefix(s.srv.APIURL(), "https://")
	python := func(cert, key, path string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "python3", "testdata/ams_login.py", login, api, s.ca.File, cert, key, path).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	out, err := python(cert, key, loginPath)
	name, token, _ := strings.Cut(out, " ")
	if err != nil || name != "root" || token == "" {
		t.Fatalf("%v: %s\n%s", err, out, &s.log)
	}
	nc, err := nats.Connect(s.in.URL, nats.Token(token))
	callouttest.Must(t, err)
	nc.Close()
	if strings.Contains(s.log.String(), token) {
		t.Error("the log has the token")
	}
	foreign, foreignKey := callouttest.NewCA(t).Certificate(t, func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "worker"} }).Files(t, "worker")
	if out, err := python(foreign, foreignKey, loginPath); err == nil || out != "403 ACCESS_FORBIDDEN: Your certificate is not accepted" {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := python(cert, key, "/v1/users/profile"); err == nil || !strings.HasPrefix(out, "404 ") {
		t.Errorf("the listener for certificates serves the API: %s", out)
	}
}

// The listener for API keys does not serve the route, and that for certificates does not
// speak TLS 1.1.
func TestListenersAreApart(t *testing.T) {
	t.Parallel()
	s := startCertified(t)
	client := func(version uint16) *http.Client {
		tls := s.ca.ClientTLS()
		if tls.MaxVersion = version; version != 0 {
			tls.MinVersion = version
		}
		transport := &http.Transport{TLSClientConfig: tls, DisableKeepAlives: true}
		return &http.Client{Transport: transport}
	}
	get := func(version uint16, url string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+loginPath, nil)
		callouttest.Must(t, err)
		res, err := client(version).Do(req)
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	if code, err := get(0, s.srv.APIURL()); err != nil || code != http.StatusNotFound {
		t.Errorf("the API: %d, %v", code, err)
	}
	if code, err := get(0, s.srv.X509URL()); err != nil || code != http.StatusBadRequest {
		t.Errorf("without a certificate: %d, %v", code, err)
	}
	const tls11 = 0x0302
	if code, err := get(tls11, s.srv.X509URL()); err == nil {
		t.Errorf("TLS 1.1: %d", code)
	}
}
