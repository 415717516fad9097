package provider_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"usher/app/demo/provider"
)

const redirect = "http://127.0.0.1:1/callback"

// site is a provider that listens, with a clock that the test moves.
type site struct {
	url   string
	later atomic.Int64 // nanoseconds
}

func start(t *testing.T) *site {
	t.Helper()
	s := &site{}
	var handler http.Handler
	l := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(l.Close)
	s.url = l.URL
	p, err := provider.New(provider.Config{
		Issuer: l.URL, ClientID: "cli", Audience: "usher", Users: []provider.User{{Name: "ada"}}, Lifetime: time.Hour,
		Now: func() time.Time { return time.Now().Add(time.Duration(s.later.Load())) }, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	handler = p
	return s
}

// post posts a form without following the answer, and returns status, location and body.
func (s *site) post(t *testing.T, path string, form url.Values, header ...string) (status int, location *url.URL, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	location, _ = answer.Location()
	return answer.StatusCode, location, string(b)
}

func authorization(verifier string, change ...string) url.Values {
	form := url.Values{
		"client_id": {"cli"}, "redirect_uri": {redirect}, "response_type": {"code"}, "state": {"s"}, "user": {"ada"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(change); i += 2 {
		form.Set(change[i], change[i+1])
	}
	return form
}

func (s *site) code(t *testing.T, verifier string) string {
	t.Helper()
	status, to, body := s.post(t, "/authorize", authorization(verifier))
	if status != http.StatusSeeOther || to.Query().Get("state") != "s" || to.Query().Get("iss") != s.url {
		t.Fatalf("%d %v: %s", status, to, body)
	}
	return to.Query().Get("code")
}

func exchange(code, verifier string, change ...string) url.Values {
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"cli"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	for i := 0; i < len(change); i += 2 {
		form.Set(change[i], change[i+1])
	}
	return form
}

// A code is for its client, its redirect URI and its verifier, once, and for a minute.
func TestCode(t *testing.T) {
	s := start(t)
	const verifier = "0123456789012345678901234567890123456789012"
	code := s.code(t, verifier)
	if status, _, body := s.post(t, "/token", exchange(code, verifier)); status != http.StatusOK || !strings.Contains(body, "access_token") {
		t.Fatalf("%d %s", status, body)
	}
	if status, _, _ := s.post(t, "/token", exchange(code, verifier)); status != http.StatusBadRequest {
		t.Errorf("a code twice: %d", status)
	}
	for what, change := range map[string][]string{
		"another verifier": {"code_verifier", "another"}, "no verifier": {"code_verifier", ""}, "another redirect": {"redirect_uri", redirect + "/x"},
		"another client": {"client_id", "x"}, "another grant type": {"grant_type", "password"}, "no code": {"code", ""},
	} {
		if status, _, _ := s.post(t, "/token", exchange(s.code(t, verifier), verifier, change...)); status != http.StatusBadRequest {
			t.Errorf("%s: %d", what, status)
		}
	}
	code = s.code(t, verifier)
	s.later.Store(int64(2 * time.Minute))
	if status, _, _ := s.post(t, "/token", exchange(code, verifier)); status != http.StatusBadRequest {
		t.Errorf("an old code: %d", status)
	}
}

// A code goes to loopback addresses only.
//
// Attack: a link to the provider of usher dev sends a code to another host
// Held by: codes go only to http URLs of loopback addresses, and only with PKCE
func TestAuthorize(t *testing.T) {
	s := start(t)
	for what, change := range map[string][]string{
		"another machine":  {"redirect_uri", "http://192.0.2.1/callback"},
		"a name":           {"redirect_uri", "http://127.0.0.1.example.com/"},
		"https":            {"redirect_uri", "https://127.0.0.1/"},
		"a user in it":     {"redirect_uri", "http://a@127.0.0.1/"},
		"no redirect":      {"redirect_uri", ""},
		"another client":   {"client_id", "x"},
		"no challenge":     {"code_challenge", ""},
		"a plain one":      {"code_challenge_method", "plain"},
		"an implicit flow": {"response_type", "token"},
		"nobody":           {"user", "eve"},
	} {
		if status, to, _ := s.post(t, "/authorize", authorization("v", change...)); status != http.StatusBadRequest || to != nil {
			t.Errorf("%s: %d, to %v", what, status, to)
		}
	}
	if status, _, _ := s.post(t, "/authorize", authorization("v"), "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", status)
	}
	if status, _, _ := s.post(t, "/authorize", authorization("v"), "Host", "rebound.example.com"); status != http.StatusMisdirectedRequest {
		t.Errorf("another host: %d", status)
	}
}

func TestDevice(t *testing.T) {
	s := start(t)
	begin := func() (device, user string) {
		_, _, body := s.post(t, "/device_authorization", url.Values{"client_id": {"cli"}})
		var answer struct {
			Device string `json:"device_code"`
			User   string `json:"user_code"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Device, answer.User
	}
	poll := func(code string) string {
		_, _, body := s.post(t, "/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"cli"}, "device_code": {code}})
		return body
	}
	device, user := begin()
	if got := poll(device); !strings.Contains(got, "authorization_pending") {
		t.Errorf("before: %s", got)
	}
	if status, _, _ := s.post(t, "/device", url.Values{"user_code": {"AAAA-AAAA"}, "user": {"ada"}}); status != http.StatusBadRequest {
		t.Errorf("another code: %d", status)
	}
	if status, _, _ := s.post(t, "/device", url.Values{"user_code": {" " + strings.ToLower(user) + " "}, "user": {"ada"}}); status != http.StatusOK {
		t.Errorf("the code: %d", status)
	}
	if got := poll(device); !strings.Contains(got, "access_token") {
		t.Errorf("after: %s", got)
	}
	if got := poll(device); !strings.Contains(got, "expired_token") {
		t.Errorf("twice: %s", got)
	}
	device, user = begin()
	s.later.Store(int64(11 * time.Minute))
	if status, _, _ := s.post(t, "/device", url.Values{"user_code": {user}, "user": {"ada"}}); status != http.StatusBadRequest {
		t.Errorf("an old code: %d", status)
	}
	if got := poll(device); !strings.Contains(got, "expired_token") {
		t.Errorf("an old device: %s", got)
	}
}

// Logins that nobody finishes take bounded memory.
func TestPending(t *testing.T) {
	s := start(t)
	first := s.code(t, "v")
	for range 1000 {
		s.code(t, "v")
	}
	if status, _, _ := s.post(t, "/token", exchange(first, "v")); status != http.StatusBadRequest {
		t.Errorf("the oldest of 1,001: %d", status)
	}
}

func TestConfig(t *testing.T) {
	for _, issuer := range []string{"", "https://127.0.0.1:1", "http://192.0.2.1:1", "http://localhost:1", "http://127.0.0.1:1/x", "http://[::1]:1"} {
		_, err := provider.New(provider.Config{
			Issuer: issuer, ClientID: "cli", Audience: "usher", Users: []provider.User{{Name: "ada"}}, Lifetime: time.Hour, Now: time.Now, Random: rand.Reader,
		})
		if want := issuer == "http://[::1]:1"; (err == nil) != want {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}
