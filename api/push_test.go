package api_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/api"
	"usher/api/push"
	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/internal/outbound"
)

// plainBox seals by writing the context before the value. Package box has the real one.
type plainBox struct{}

func (plainBox) Seal(_ context.Context, text []byte, place string) ([]byte, error) {
	return []byte(place + "|" + string(text)), nil
}

func (plainBox) Open(_ context.Context, sealed []byte, place string) ([]byte, error) {
	text, ok := strings.CutPrefix(string(sealed), place+"|")
	if !ok {
		return nil, errors.New("sealed elsewhere")
	}
	return []byte(text), nil
}

func (plainBox) Fresh([]byte) bool { return true }

const verifyRoute = "subscription.verify_push_endpoint"

const billing = "/v1/projects/shop/subscriptions/billing"

// pushed starts an API and an endpoint that it may push to. answer is what the endpoint does.
func pushed(t *testing.T) (s *service, endpoint string, answer *atomic.Pointer[http.HandlerFunc]) {
	t.Helper()
	answer = &atomic.Pointer[http.HandlerFunc]{}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) }))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	callouttest.Must(t, err)
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	callouttest.Must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	s = start(t, nil, func(c *api.Config) {
		c.Push = push.Config{Box: plainBox{}, HeaderGrace: time.Hour, Client: outbound.New(outbound.Rules{
			AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{uint16(port), 443}, RootCAs: roots,
		})}
	})
	return s, srv.URL + "/in?token=opaque", answer
}

func (s *service) pushConfig(who string) wire.PushConfig {
	s.t.Helper()
	got := s.as(who, "GET", billing, "")
	return decode[wire.Subscription](s.t, got).PushConfig
}

func body(endpoint string) string { return `{"pushConfig":{"pushEndpoint":"` + endpoint + `"}}` }

func TestPushConfig(t *testing.T) {
	s, endpoint, answer := pushed(t)
	set := func(who string, code int, body string) {
		t.Helper()
		if got := s.as(who, "POST", billing+":modifyPushConfig", body); got.code != code || code == 200 && got.text != "" {
			t.Fatalf("%s: %d %s", body, got.code, got.text)
		}
	}
	verify := func(code int, text string) {
		t.Helper()
		if got := s.as("admin", "POST", billing+":verifyPushEndpoint", ""); got.code != code || !strings.Contains(got.text, text) {
			t.Fatalf("%d %s, expected %d %s", got.code, got.text, code, text)
		}
		s.now.Add(60)
	}
	verify(409, "Subscription is not in http push mode")
	set("con", 403, body(endpoint))
	for _, bad := range []string{"{}", body("https://10.0.0.1/x"), body("https://h.example:22/x"), body("http://h.example/x"), body("https://[::ffff:10.0.0.1]/x")} {
		set("admin", 400, bad)
	}
	set("admin", 200, body(endpoint))
	first := s.pushConfig("admin")
	if len(first.VerificationHash) != 64 || first.Verified || len(first.AuthorizationHeader.Value) != 64 || first.AuthorizationHeader.Type != "autogen" {
		t.Fatalf("%+v", first)
	}
	if seen := s.pushConfig("con"); seen.PushEndpoint+"?token=opaque" != endpoint || first.PushEndpoint != endpoint {
		t.Errorf("a consumer sees %s, an administrator %s", seen.PushEndpoint, first.PushEndpoint)
	}
	for who, sees := range map[string]bool{"con": false, "admin": true} {
		if got := s.as(who, "GET", strings.TrimSuffix(billing, "/billing"), ""); strings.Contains(got.text, "token=opaque") != sees {
			t.Errorf("%s lists %s", who, got.text)
		}
	}
	if seen := s.pushConfig("con"); seen.AuthorizationHeader.Value != "" || seen.AuthorizationHeader.Type != "autogen" {
		t.Errorf("a consumer sees %+v", seen)
	}
	say := func(h http.HandlerFunc) { answer.Store(&h) }
	text := func(status int, text string) {
		say(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, text) })
	}
	text(404, first.VerificationHash)
	verify(401, `"the endpoint answered with status 404"`)
	verify(401, "Endpoint verification failed.Wrong response status code")
	text(200, first.VerificationHash+"\n")
	verify(401, "Endpoint verification failed.Wrong verification hash")
	text(200, strings.Repeat("x", 1<<20))
	verify(401, "Endpoint verification failed.Wrong verification hash")
	say(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	verify(401, "the connection was cut")
	say(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) })
	verify(401, "Wrong response status code")
	// The endpoint is asked, and changed before the answer.
	say(func(w http.ResponseWriter, _ *http.Request) {
		set("admin", 200, body("https://h.example/x"))
		_, _ = io.WriteString(w, first.VerificationHash)
	})
	verify(409, "Push endpoint has changed during its verification")
	set("admin", 200, body(endpoint))
	second := s.pushConfig("admin")
	if second.Verified || second.VerificationHash == first.VerificationHash || second.AuthorizationHeader.Value == first.AuthorizationHeader.Value {
		t.Fatalf("another endpoint keeps what the first one had: %+v", second)
	}
	// The caller loses its role before the answer.
	role := func(roles string) {
		s.root(200, "PUT", "/v1/projects/shop/members/admin", `{"projects":[{"project":"shop","roles":["`+roles+`"]}]}`)
	}
	say(func(w http.ResponseWriter, _ *http.Request) {
		role("publisher")
		_, _ = io.WriteString(w, second.VerificationHash)
	})
	verify(403, "FORBIDDEN")
	role("project_admin")
	say(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.String() != "/ams_verification_hash" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		_, _ = io.WriteString(w, second.VerificationHash)
	})
	verify(200, "")
	verify(409, "Push endpoint is already verified")
	set("admin", 200, body(endpoint))
	if third := s.pushConfig("admin"); !third.Verified || third.VerificationHash != second.VerificationHash || third.AuthorizationHeader != second.AuthorizationHeader {
		t.Errorf("the same endpoint loses its verification: %+v", third)
	}
	rotated := decode[wire.Subscription](t, s.as("admin", "POST", billing+":rotatePushHeader", "")).PushConfig.AuthorizationHeader
	if len(rotated.Value) != 64 || rotated.Value == second.AuthorizationHeader.Value || rotated.PreviousValue != second.AuthorizationHeader.Value {
		t.Errorf("%+v", rotated)
	}
	s.now.Add(3601)
	if later := s.pushConfig("admin").AuthorizationHeader; later.PreviousValue != "" || later.Value != rotated.Value {
		t.Errorf("after the grace: %+v", later)
	}
	set("admin", 200, `{"pushConfig":{"pushEndpoint":"`+endpoint+`","authorizationHeader":{"type":"disabled"}}}`)
	if p := s.pushConfig("admin"); p.AuthorizationHeader.Type != "disabled" || p.AuthorizationHeader.Value != "" || !p.Verified {
		t.Errorf("%+v", p)
	}
	set("admin", 200, `{"pushConfig":{}}`)
	if p := s.pushConfig("admin"); p.Type != "" || p.PushEndpoint != "" {
		t.Errorf("%+v", p)
	}
	kept := s.logged()
	for _, c := range s.changes() {
		kept += string(c.Before) + string(c.After) + c.Cause
	}
	for _, hidden := range []string{first.AuthorizationHeader.Value, rotated.Value, second.AuthorizationHeader.Value, "opaque"} {
		if strings.Contains(kept, hidden) {
			t.Errorf("log or audit has %s", hidden)
		}
	}
}

func TestVerificationsAreLimited(t *testing.T) {
	s, endpoint, answer := pushed(t)
	var asked atomic.Int32
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	answer.Store(&h)
	s.root(200, "POST", billing+":modifyPushConfig", body(endpoint))
	for {
		got := s.as("root", "POST", billing+":verifyPushEndpoint", "")
		if got.code == http.StatusTooManyRequests && got.Get("Retry-After") != "" {
			break
		}
		if got.code != http.StatusUnauthorized || asked.Load() > 100 {
			t.Fatal(got.code, got.text, asked.Load())
		}
	}
	s.now.Add(60)
	if got := s.as("root", "POST", billing+":verifyPushEndpoint", ""); got.code != http.StatusUnauthorized {
		t.Error(got.code, got.text)
	}
}

// The path of a Mattermost webhook is a secret: administrators see it, and nobody else.
func TestMattermostURL(t *testing.T) {
	s, _, _ := pushed(t)
	const secret = "SECRETHOOK"
	s.root(200, "POST", billing+":modifyPushConfig", `{"pushConfig":{"type":"mattermost","mattermostUrl":"https://chat.example:443/hooks/`+secret+`"}}`)
	if seen := s.pushConfig("admin"); seen.MattermostURL != "https://chat.example:443/hooks/"+secret {
		t.Errorf("an administrator sees %q", seen.MattermostURL)
	}
	if seen := s.pushConfig("con"); seen.MattermostURL != "https://chat.example:443" {
		t.Errorf("a consumer sees %q", seen.MattermostURL)
	}
	if got := s.as("con", "GET", strings.TrimSuffix(billing, "/billing"), ""); strings.Contains(got.text, secret) {
		t.Errorf("a consumer lists %s", got.text)
	}
}
