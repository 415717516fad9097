package introspection_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/conformance"
	"usher/tokens/introspection"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const good = "2YotnFZFEjr1zCsicMWpAA"

func credential(token string) *tokens.Credential { return &tokens.Credential{AuthToken: token} }

func bearerJWT() string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + ".e30.c2lnbmF0dXJl"
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestConformance(t *testing.T) {
	s := newServer(t, nil)
	now := time.Now()
	bad := map[string]map[string]any{
		introspection.CodeIssuer:      {"iss": "https://elsewhere.example"},
		introspection.CodeAudience:    {"aud": []string{"other"}},
		introspection.CodeScope:       {"scope": "profile"},
		introspection.CodeExpired:     {"exp": now.Add(-time.Second).Unix()},
		introspection.CodeNotYetValid: {"nbf": now.Add(time.Hour).Unix()},
		introspection.CodeBound:       {"cnf": map[string]string{"jkt": "x"}},
		introspection.CodeNoID:        {"sub": ""},
	}
	kind := conformance.Kind{
		New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
			t.Helper()
			cfg := s.config(t)
			cfg.Issuer, cfg.Scopes = "https://id.example", []string{"connect"}
			return newVerifier(t, cfg)
		},
		Method: identity.MethodIntrospection, Authority: "main",
		Good: *credential(good),
		Bad:  map[string]tokens.Credential{introspection.CodeInactive: *credential("revoked-0123456789abcdef")},
		Down: map[string]tokens.Credential{},
		Not: map[string]tokens.Credential{
			"an API key":      *credential("usher_0123456789abcdefghijklmnopqrstuvwxyz"),
			"a JWT":           *credential(bearerJWT()),
			"a password":      {User: "alice", Password: "correct horse battery staple"},
			"a short one":     {User: "alice", Password: "hunter2"},
			"a signature":     {NKey: "UABC", Signature: "x", Nonce: "y"},
			"too long":        *credential(strings.Repeat("x", 1<<20)),
			"two lines of it": *credential(good + "\n" + good),
		},
		Secrets: []string{good, "revoked-0123456789abcdef", secret},
	}
	s.set(good, response(t, map[string]any{"iss": "https://id.example", "scope": "connect", "exp": now.Add(time.Hour).Unix()}))
	for code, members := range bad {
		token := "token-that-has-" + code
		if members["scope"] == nil {
			members["scope"] = "connect"
		}
		s.set(token, response(t, members))
		kind.Bad[code] = *credential(token)
		kind.Secrets = append(kind.Secrets, token)
	}
	for what, text := range map[string]string{"JSON": "<html>", "active": "{}", "a time": response(t, map[string]any{"exp": "soon"})} {
		token := "token-without-" + strings.ReplaceAll(what, " ", "-")
		s.set(token, text)
		kind.Down[what] = *credential(token)
		kind.Secrets = append(kind.Secrets, token)
	}
	conformance.Run(t, kind)
}

// Whether a token that is not active may be of another verifier depends on its form.
func TestInactive(t *testing.T) {
	s := newServer(t, nil)
	for _, tt := range []struct {
		form introspection.Form
		want error
	}{
		{introspection.Form{}, tokens.ErrNotApplicable},
		{introspection.Form{JWT: true}, tokens.ErrNotApplicable},
		{introspection.Form{Prefix: "2Yotn"}, tokens.ErrRejected},
		{introspection.Form{Pattern: ".{22}"}, tokens.ErrRejected},
	} {
		cfg := s.config(t)
		cfg.Form = tt.form
		v := newVerifier(t, cfg)
		for range 2 { // from the endpoint, and kept
			if _, err := v.Verify(t.Context(), credential(good)); !errors.Is(err, tt.want) {
				t.Errorf("%+v: %v", tt.form, err)
			}
		}
		_, _, err := tokens.Chain{v}.Verify(t.Context(), credential(good), nil)
		var r *tokens.Reason
		if !errors.As(err, &r) || r.Code != introspection.CodeInactive {
			t.Errorf("%+v: the chain says %v", tt.form, err)
		}
	}
}

func TestOneCallPerToken(t *testing.T) {
	s := newServer(t, nil)
	s.set(good, response(t, nil))
	v := newVerifier(t, s.config(t))
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if id, err := v.Verify(t.Context(), credential(good)); err != nil || id.ID != "alice" {
				t.Errorf("%+v, %v", id, err)
			}
		})
	}
	all.Wait()
	if n := s.calls.Load(); n != 1 {
		t.Errorf("%d calls for 1000 clients with one token", n)
	}
	if v.Slow(credential(good)) || !v.Slow(credential(good+"x")) || v.Slow(credential("usher_x")) {
		t.Error("slow for a kept token, or for one that is not its own, or not for another")
	}
}

// verify fails unless alice is verified, after so many calls in all.
func verify(t *testing.T, v *introspection.Verifier, s *server, token string, calls int32) {
	t.Helper()
	if id, err := v.Verify(t.Context(), credential(token)); err != nil || id.ID != "alice" {
		t.Errorf("%+v, %v", id, err)
	}
	if n := s.calls.Load(); n != calls {
		t.Errorf("%d calls, want %d", n, calls)
	}
}

func refused(t *testing.T, v *introspection.Verifier, s *server, token string, calls int32) {
	t.Helper()
	if _, _, err := (tokens.Chain{v}).Verify(t.Context(), credential(token), nil); !errors.Is(err, tokens.ErrRejected) {
		t.Errorf("got %v", err)
	}
	if n := s.calls.Load(); n != calls {
		t.Errorf("%d calls, want %d", n, calls)
	}
}

func TestCache(t *testing.T) {
	s, c := newServer(t, nil), newClock()
	cfg := s.config(t)
	cfg.Now = c.Now
	v := newVerifier(t, cfg)
	short, long, bad := "short-0123456789abcdef", "long-0123456789abcdef", "bad-0123456789abcdef"
	s.set(short, response(t, map[string]any{"exp": c.Now().Add(20 * time.Second).Unix()}))
	s.set(long, response(t, map[string]any{"exp": c.Now().Add(time.Hour).Unix()}))

	verify(t, v, s, short, 1)
	verify(t, v, s, long, 2)
	refused(t, v, s, bad, 3)
	c.advance(5*time.Second - 1)
	refused(t, v, s, bad, 3)
	c.advance(1)
	refused(t, v, s, bad, 4)
	c.advance(15*time.Second - 1)
	verify(t, v, s, short, 4)
	c.advance(1)
	refused(t, v, s, short, 5) // its exp has come, and the server still calls it active
	c.advance(40*time.Second - 1)
	verify(t, v, s, long, 5)
	c.advance(1)
	verify(t, v, s, long, 6)

	v.Forget(func(id *identity.Identity) bool { return id.ID == "alice" })
	verify(t, v, s, long, 7)
}

// The faults of an endpoint. None of them is a denial, and none is waited for without end.
func TestFaults(t *testing.T) {
	end := make(chan struct{})
	elsewhere := newServer(t, nil)
	elsewhere.set(good, response(t, nil))
	stall := func(w http.ResponseWriter, begin string) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, begin)
		_ = http.NewResponseController(w).Flush()
		<-end
	}
	faults := map[string]http.HandlerFunc{
		"HTTP status 500": answer(http.StatusInternalServerError, "application/json", response(t, nil)),
		"HTTP status 503": answer(http.StatusServiceUnavailable, "text/html", "later"),
		"HTTP status 401: the endpoint does not accept usher's own credentials":                 answer(http.StatusUnauthorized, "application/json", `{"error":"invalid_client"}`),
		"HTTP status 403: the endpoint does not accept usher's own credentials":                 answer(http.StatusForbidden, "application/json", `{}`),
		"HTTP status 400, invalid_client: the endpoint does not accept usher's own credentials": answer(http.StatusBadRequest, "application/json", `{"error":"invalid_client"}`),
		"HTTP status 400": answer(http.StatusBadRequest, "application/json", `{"error":"invalid_request"}`),
		"HTTP status 404": answer(http.StatusNotFound, "application/json", `{"active":false}`),
		"HTTP status 204": answer(http.StatusNoContent, "application/json", ""),
		"HTTP status 307: usher follows no redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.url, http.StatusTemporaryRedirect)
		},
		`content type "text/html"`:                           answer(http.StatusOK, "text/html", response(t, nil)),
		`content type "application/token-introspection+jwt"`: answer(http.StatusOK, "application/token-introspection+jwt", response(t, nil)),
		"not usable JSON: expected one JSON object":          answer(http.StatusOK, "application/json", `"active"`),
		"not usable JSON: an object contains the same key":   answer(http.StatusOK, "application/json", `{"active":false,"active":true}`),
		"the response does not say whether the token is":     answer(http.StatusOK, "application/json", `{"active":"true","sub":"alice","aud":"nats"}`),
		"the member aud of the response has the wrong type":  answer(http.StatusOK, "application/json", `{"active":true,"sub":"alice","aud":7}`),
		"the response is larger than 65536 bytes":            func(w http.ResponseWriter, r *http.Request) { endless(w) },
		"no answer within 200ms":                             func(http.ResponseWriter, *http.Request) { <-end },
		"no answer within 200ms ":                            func(w http.ResponseWriter, _ *http.Request) { stall(w, `{"active":true,`) },
		"EOF":                                                func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	}
	for want, fault := range faults {
		t.Run(want, func(t *testing.T) {
			s := newServer(t, nil)
			s.breakBy(fault)
			cfg := s.config(t)
			if strings.HasPrefix(want, "no answer within") {
				cfg.Backend.Timeout = 200 * time.Millisecond
				t.Cleanup(func() { end <- struct{}{} }) // before that of the server, which waits for it
			}
			v := newVerifier(t, cfg)
			_, err := v.Verify(t.Context(), credential(good))
			if !errors.Is(err, tokens.ErrUnavailable) || errors.Is(err, tokens.ErrRejected) || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), good) || strings.Contains(err.Error(), secret) {
				t.Error("the error shows a secret")
			}
			if st := v.Status().Backends[0]; st.Failures != 1 || !strings.Contains(st.Error, strings.TrimSpace(want)) {
				t.Errorf("got %+v", st)
			}
		})
	}
	if n := elsewhere.calls.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

// endless writes 100 MB of JSON.
func endless(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"active":true,"sub":"`)
	for part := []byte(strings.Repeat("x", 1<<20)); ; {
		if _, err := w.Write(part); err != nil {
			return // usher has closed the connection
		}
	}
}

func TestDown(t *testing.T) {
	s := newServer(t, nil)
	cfg := s.config(t)
	cfg.URL = "https://127.0.0.1:1/introspect?realm=hush"
	_, err := newVerifier(t, cfg).Verify(t.Context(), credential(good))
	if !errors.Is(err, tokens.ErrUnavailable) || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
	cfg = s.config(t)
	cfg.HTTP.CAFile = ""
	if _, err := newVerifier(t, cfg).Verify(t.Context(), credential(good)); !errors.Is(err, tokens.ErrUnavailable) || s.calls.Load() != 0 {
		t.Errorf("with an unknown certificate: %v", err)
	}
}

func TestRetries(t *testing.T) {
	s := newServer(t, nil)
	s.set(good, response(t, nil))
	s.breakBy(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		s.breakBy(nil)
	})
	cfg := s.config(t)
	cfg.Backend.Retries = 1
	verify(t, newVerifier(t, cfg), s, good, 2)
}

// Attack: a client presents tokens that make an introspection endpoint fail, until usher does not ask it about those of others either
// Held by: what may be due to one token does not open the circuit breaker
func TestStrangeTokens(t *testing.T) {
	for name, strange := range map[string]http.HandlerFunc{
		"status 400":       answer(http.StatusBadRequest, "application/json", `{"error":"invalid_request"}`),
		"status 413":       answer(http.StatusRequestEntityTooLarge, "text/plain", ""),
		"status 422":       answer(http.StatusUnprocessableEntity, "application/json", "{}"),
		"status 431":       answer(http.StatusRequestHeaderFieldsTooLarge, "text/plain", ""),
		"status 500":       answer(http.StatusInternalServerError, "text/plain", ""),
		"a claim twice":    answer(http.StatusOK, "application/json", `{"active":true,"sub":"mallory","aud":"nats","Aud":"x"}`),
		"a strange number": answer(http.StatusOK, "application/json", `{"active":true,"sub":"mallory","aud":"nats","exp":1e999}`),
		"a strange type":   answer(http.StatusOK, "application/json", `{"active":true,"sub":7,"aud":"nats"}`),
		"a large response": func(w http.ResponseWriter, _ *http.Request) { endless(w) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, nil)
			s.set(good, response(t, nil))
			cfg := s.config(t)
			cfg.Backend.Breaker = backend.Breaker{Failures: 2, Cooldown: time.Hour}
			v := newVerifier(t, cfg)
			s.breakBy(strange)
			for n := range 3 {
				if _, err := v.Verify(t.Context(), credential(fmt.Sprintf("strange-token-%016d", n))); !errors.Is(err, tokens.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
			}
			s.breakBy(nil)
			verify(t, v, s, good, 4)
		})
	}
}

// The breaker opens when the endpoint fails, keeps it from being asked, and closes when it
// answers again.
func TestBreaker(t *testing.T) {
	s := newServer(t, nil)
	s.set(good, response(t, nil))
	s.breakBy(answer(http.StatusServiceUnavailable, "text/plain", ""))
	cfg := s.config(t)
	cfg.Backend.Breaker = backend.Breaker{Failures: 3, Cooldown: time.Hour}
	v := newVerifier(t, cfg)
	for range 10 {
		if _, err := v.Verify(t.Context(), credential(good)); !errors.Is(err, tokens.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if n := s.calls.Load(); n != 3 || !v.Status().Backends[0].Open {
		t.Errorf("%d calls, %+v", n, v.Status().Backends[0])
	}

	cfg.Backend.Breaker.Cooldown = time.Millisecond
	v = newVerifier(t, cfg)
	for range 3 {
		_, _ = v.Verify(t.Context(), credential(good))
	}
	s.breakBy(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		id, err := v.Verify(ctx, credential(good))
		if err == nil && id.ID == "alice" {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("does not close: %v", err)
		}
	}
	if st := v.Status().Backends[0]; st.Open || !st.Up {
		t.Errorf("got %+v", st)
	}
}

func TestStale(t *testing.T) {
	s, c := newServer(t, nil), newClock()
	s.set(good, response(t, nil))
	cfg := s.config(t)
	cfg.Now, cfg.Backend.Stale = c.Now, time.Minute
	v := newVerifier(t, cfg)
	verify(t, v, s, good, 1)
	s.breakBy(answer(http.StatusServiceUnavailable, "text/plain", ""))
	c.advance(2*time.Minute - 1)
	verify(t, v, s, good, 2)
	if st := v.Status().Backends[0]; st.Stale != 1 || st.Up {
		t.Errorf("got %+v", st)
	}
	c.advance(1)
	if _, err := v.Verify(t.Context(), credential(good)); !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// A probe finds out before the first client whether the endpoint can be used.
func TestProbe(t *testing.T) {
	for want, h := range map[string]http.HandlerFunc{
		"":                      nil,
		"usher's own":           answer(http.StatusUnauthorized, "application/json", `{}`),
		"active: false about a": answer(http.StatusOK, "application/json", response(t, nil)),
	} {
		s := newServer(t, nil)
		s.breakBy(h)
		v := newVerifier(t, s.config(t))
		for n := range uint64(2) {
			v.Probe(t.Context())
			st := v.Status()
			if b := st.Backends[0]; b.Requests != n+1 || b.Up != (want == "") || !strings.Contains(b.Error, want) {
				t.Errorf("%q: %+v", want, b)
			}
		}
	}
}

// BenchmarkVerify measures a kept answer, and its ratio to what any cache must do: a
// digest and a lookup.
func BenchmarkVerify(b *testing.B) {
	s := newServer(b, nil)
	s.set(good, response(b, nil))
	v := newVerifier(b, s.config(b))
	ctx, c := b.Context(), credential(good)
	answers := map[[sha256.Size]byte]string{sha256.Sum256([]byte(good)): "alice"}
	conformance.Compare(b, func() bool {
		_, err := v.Verify(ctx, c)
		return err == nil
	}, func() bool { return answers[sha256.Sum256([]byte(c.AuthToken))] != "" })
}

func ExampleVerifier_Name() {
	v, err := introspection.NewVerifier(introspection.Config{
		Name: "local", URL: "http://127.0.0.1:8080/introspect",
		Authentication: introspection.Authentication{Method: introspection.MethodNone},
		Rules:          introspection.Rules{AnyAudience: true}, Now: time.Now,
	})
	fmt.Println(v.Name(), err)
	// Output: introspection:local <nil>
}
