package authx509_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/apierror"
	"usher/api/authx509"
	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/tokens/x509/revocation"
)

// A client with a certificate gets a key of the user of its binding, which is audited.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	cert := s.cert("pia", nil)
	got := s.login(cert)
	if got.code != http.StatusOK || got.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %+v", got)
	}
	rec, ok := s.store.Snapshot().LookupKey(directory.DigestOf(got.token))
	if !ok || rec.User.Name != "pia" || rec.Key.Kind() != directory.KeyAPI {
		t.Fatalf("the token is that of %+v", rec)
	}
	if left := time.Until(rec.Key.Expires); left > lifetime || left < lifetime-time.Minute {
		t.Errorf("it is valid for %v", left)
	}
	c := s.lastChange()
	var after wire.Key
	callouttest.Must(t, json.Unmarshal(c.After, &after))
	want := audit.Change{
		Outcome: audit.Changed, Actor: "pia", ActorKeyID: "worker", ClientHost: "127.0.0.1",
		ActorCertificate: "CN=pia", ActorSerial: cert.Cert.SerialNumber.Text(16),
		Action: "login.x509", Resource: "/service-types/ams/hosts/" + host,
	}
	if c.Outcome != want.Outcome || c.Actor != want.Actor || c.ActorKeyID != want.ActorKeyID || c.ClientHost != want.ClientHost ||
		c.ActorCertificate != want.ActorCertificate || c.ActorSerial != want.ActorSerial || c.Action != want.Action || c.Resource != want.Resource ||
		c.Revision == 0 || c.Before != nil || after.Name != rec.Key.ID || after.ExpiresOn.IsZero() {
		t.Errorf("audited %+v: %s", c, c.After)
	}
	if strings.Contains(s.logged(), got.token) {
		t.Error("the log has the token")
	}
}

// A key ends with the certificate, and with the binding, and has the networks of the
// binding.
func TestLimitsOfKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	soon := time.Now().Add(10 * time.Minute).Truncate(time.Second).UTC()
	sooner := soon.Add(-5 * time.Minute)
	limited := bindingOf("CN=lea")
	limited.Expires, limited.Networks = sooner, networks("127.0.0.0/8")
	s.put("lea", nil, limited)
	for cn, want := range map[string]time.Time{"pia": soon, "lea": sooner} {
		got := s.login(s.cert(cn, func(c *x509.Certificate) { c.NotAfter = soon }))
		rec, ok := s.store.Snapshot().LookupKey(directory.DigestOf(got.token))
		if !ok || !rec.Key.Expires.Equal(want) || cn == "lea" && !slices.Equal(rec.Key.Networks, limited.Networks) {
			t.Errorf("%s: got %+v with %+v", cn, got, rec.Key)
		}
	}
}

// Attack: a client gets a key for a certificate that is foreign, expired, not yet valid, for servers or revoked
// Held by: usher verifies the chain of every request with its own clock, and asks whether it is revoked
//
// Attack: a client gets a key with its certificate for another host, another service or another user
// Held by: subject, service and host are looked up together, as one digest
func TestRefusals(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	lists := filepath.Join(folder, "clients.crl")
	var revoked *callouttest.Certificate
	s := newSite(t, func(s *site, _ *api.Config, x *authx509.Config) {
		revoked = s.cert("pia", nil)
		callouttest.Must(t, os.WriteFile(lists, s.ca.CRL(t, nil, revoked), 0o600))
		var err error
		x.Revocation, err = revocation.New(revocation.Config{
			Mode: revocation.CRL, Unreachable: revocation.Unavailable, CRLFiles: []string{lists}, Now: s.clock,
		})
		callouttest.Must(t, err)
	})
	other := callouttest.NewCA(t)
	disabled, distant, early := bindingOf("CN=off"), bindingOf("CN=far"), bindingOf("CN=early")
	disabled.Disabled, distant.Networks, early.NotBefore = true, networks("192.0.2.0/24"), time.Now().Add(time.Hour)
	s.put("off", nil, disabled)
	s.put("far", nil, distant)
	s.put("early", nil, early)
	s.put("gone", func(u *directory.User) { u.Disabled = true }, bindingOf("CN=gone"))
	s.put("subject", nil, directory.Key{ID: "c", Other: &directory.OtherKey{Kind: directory.KeyCertificate, DN: "CN=subject"}})
	until := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
	}
	const accepted, notNow = "Your certificate is not accepted", "Your binding may not be used now"
	good := s.cert("pia", nil)
	for name, tt := range map[string]struct {
		path, cn string
		change   func(*x509.Certificate)
		cert     *callouttest.Certificate
		none     bool
		code     int
		status   string
		message  string
	}{
		"no certificate":         {none: true, code: 400, status: "BAD_REQUEST", message: "No certificate provided"},
		"expired":                {cn: "pia", change: until(-2*time.Hour, -time.Hour), code: 403, message: "Your certificate has expired"},
		"not yet active":         {cn: "pia", change: until(time.Hour, 2*time.Hour), code: 403, message: "Your certificate is not active yet"},
		"revoked":                {cert: revoked, code: 403, message: "Your certificate has been revoked"},
		"of another CA":          {cert: other.Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "pia" }), code: 403, message: accepted},
		"of another CA, expired": {cert: other.Certificate(t, until(-2*time.Hour, -time.Hour)), code: 403, message: accepted},
		"for servers":            {cn: "pia", change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, code: 403, message: accepted},
		"of a CA":                {cn: "pia", change: func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, code: 403, message: accepted},
		"another host":           {cert: good, path: "/v1/service-types/ams/hosts/worker-2.example.org:authx509", code: 404},
		"another service":        {cert: good, path: "/v1/service-types/web/hosts/" + host + ":authx509", code: 404},
		"a service with a dot":   {cert: good, path: "/v1/service-types/a.b/hosts/" + host + ":authx509", code: 400, status: "INVALID_ARGUMENT", message: "Invalid type name"},
		"a host with a space":    {cert: good, path: "/v1/service-types/ams/hosts/a%20b:authx509", code: 400, status: "INVALID_ARGUMENT", message: "Invalid host name"},
		"no binding":             {cn: "mallory", code: 404},
		"no subject":             {cn: "", code: 404},
		"a certificate subject":  {cn: "subject", code: 404},
		"a disabled binding":     {cn: "off", code: 403, message: notNow},
		"a later binding":        {cn: "early", code: 403, message: notNow},
		"a disabled user":        {cn: "gone", code: 403, message: notNow},
		"another network":        {cn: "far", code: 403, message: notNow},
		"another route":          {cert: good, path: "/v1/users", code: 404, message: "path doesn't exist"},
		"the version":            {cert: good, path: "/v1/version", code: 404, message: "path doesn't exist"},
	} {
		t.Run(name, func(t *testing.T) {
			cert := tt.cert
			if cert == nil && !tt.none {
				cert = s.cert(tt.cn, tt.change)
			}
			to, status, message := path, tt.status, tt.message
			if tt.path != "" {
				to = tt.path
			}
			if status == "" {
				status = map[int]string{403: "ACCESS_FORBIDDEN", 404: "NOT_FOUND"}[tt.code]
			}
			if message == "" {
				message = "Binding was not found"
			}
			got := s.get(s.http, to, cert)
			if got.code != tt.code || got.failed.Status != status || got.failed.Message != message || got.failed.RequestID == "" {
				t.Errorf("got %+v", got)
			}
			if !slices.ContainsFunc(apierror.Statuses(), func(s apierror.Status) bool { return s.Code == got.code && s.Name == got.failed.Status }) {
				t.Errorf("%d %s is not documented", got.code, got.failed.Status)
			}
		})
	}
	for _, u := range []string{"pia", "off", "far", "early", "gone", "subject"} {
		if keys := s.keys(u); len(keys) != 0 {
			t.Errorf("%s has got %d keys", u, len(keys))
		}
	}
	if c := s.lastChange(); c.Outcome != audit.Refused || c.ActorCertificate == "" {
		t.Errorf("audited %+v", c)
	}
	if got := s.login(good); got.code != http.StatusOK {
		t.Errorf("a good certificate: %+v", got)
	}
}

// Without an answer whether the certificate is revoked, nothing is decided.
func TestRevocationUnknown(t *testing.T) {
	t.Parallel()
	for unreachable, want := range map[revocation.Unreachable]int{
		revocation.Unavailable: http.StatusServiceUnavailable, revocation.Deny: http.StatusForbidden, revocation.Allow: http.StatusOK,
	} {
		s := newSite(t, func(s *site, _ *api.Config, x *authx509.Config) {
			var err error
			x.Revocation, err = revocation.New(revocation.Config{Mode: revocation.CRL, Unreachable: unreachable, Now: s.clock})
			callouttest.Must(t, err)
		})
		if got := s.login(s.cert("pia", nil)); got.code != want {
			t.Errorf("%s: got %+v", unreachable, got)
		}
	}
}

// Attack: a client logs in without end, on several replicas, to fill the bucket
// Held by: a binding has a fixed number of ids for its keys, which the directory holds
func TestKeysOfBinding(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	replicas := []*httptest.Server{s.http, s.listener(nil)}
	cert := s.cert("pia", nil)
	s.put("pia", nil, directory.Key{ID: "default", Digest: directory.DigestOf("a key of her own")})
	tokens := map[string]bool{}
	for i := range maxKeys {
		got := s.get(replicas[i%2], path, cert)
		if got.code != http.StatusOK || tokens[got.token] {
			t.Fatalf("%d: got %+v", i, got)
		}
		tokens[got.token] = true
	}
	audited := s.changes()
	for i := range 2 * maxKeys {
		got := s.get(replicas[i%2], path, cert)
		wait, _ := strconv.Atoi(got.header.Get("Retry-After"))
		if got.code != http.StatusTooManyRequests || got.failed.Status != "TOO_MANY_REQUESTS" || wait < 3500 || wait > 3600 {
			t.Fatalf("%d: got %+v", i, got)
		}
	}
	if s.changes() != audited {
		t.Error("the audit grows")
	}
	for token := range tokens {
		if _, ok := s.store.Snapshot().LookupKey(directory.DigestOf(token)); !ok {
			t.Error("a key is gone before its end")
		}
	}
	s.skew.Store(int64(lifetime + time.Second))
	if got := s.login(cert); got.code != http.StatusOK {
		t.Fatalf("after the end of the keys: %+v", got)
	}
	if keys := s.keys("pia"); len(keys) != 2 { // default, and the new one
		t.Errorf("the user has %d keys", len(keys))
	}
}

// Concurrent logins get keys of their own, as many as the binding may have.
func TestConcurrentLogins(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	cert := s.cert("pia", nil)
	codes := make(chan int)
	for range 3 * maxKeys {
		go func() { codes <- s.login(cert).code }()
	}
	count := map[int]int{}
	for range 3 * maxKeys {
		count[<-codes]++
	}
	if count[http.StatusOK] != maxKeys || count[http.StatusTooManyRequests] != 2*maxKeys || len(s.keys("pia")) != maxKeys {
		t.Errorf("got %v, and %d keys", count, len(s.keys("pia")))
	}
}

// Attack: a client guesses bindings with a certificate, or floods the log with bad ones
// Held by: failures are limited per address; a good certificate is always accepted
func TestFailedCertificates(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ *site, c *api.Config, _ *authx509.Config) { c.FailedKeys = 1 })
	stranger, limited := s.cert("mallory", nil), 0
	for range 20 {
		if got := s.login(stranger); got.code == http.StatusTooManyRequests && got.header.Get("Retry-After") != "" {
			limited++
		}
	}
	if limited < 10 {
		t.Errorf("%d of 20 were limited", limited)
	}
	if got := s.login(s.cert("pia", nil)); got.code != http.StatusOK {
		t.Errorf("got %+v", got)
	}
}

// A binding that is removed while the request waits gives no key: the directory of the
// change decides.
func TestBindingRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *site, c *api.Config, _ *authx509.Config) { c.Store = &removing{s} })
	if got := s.login(s.cert("pia", nil)); got.code != http.StatusNotFound || len(s.keys("pia")) != 0 {
		t.Errorf("got %+v", got)
	}
}

// removing is a store from which the binding disappears just before a change.
type removing struct{ *site }

func (r *removing) Snapshot() *snapshot.Snapshot { return r.store.Snapshot() }

func (r *removing) Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	remove := directory.Remove(directory.KeyKey(directory.IDOf(directory.KindUser, "pia"), "worker"))
	if _, err := r.store.Change(ctx, func(*snapshot.Snapshot) ([]directory.Entry, error) { return remove, nil }); err != nil {
		return nil, err
	}
	return r.store.Change(ctx, f)
}
