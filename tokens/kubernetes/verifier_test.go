package kubernetes_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/callout/callouttest"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/conformance"
	"usher/tokens/kubernetes"
)

func TestConformance(t *testing.T) {
	k := newCluster(t)
	good := k.token(nil)
	gone := k.token(map[string]any{"kubernetes.io": map[string]any{"pod": map[string]any{"name": "web-2", "uid": "web-2-uid"}}})
	person := k.token(map[string]any{"sub": "alice"})
	elsewhere := k.token(map[string]any{"iss": "https://other.example"})
	conformance.Run(t, conformance.Kind{
		New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
			t.Helper()
			return k.verifier(t, nil)
		},
		Method: identity.MethodKubernetes, Authority: "main",
		Good: *bearer(good),
		Bad:  map[string]tokens.Credential{kubernetes.CodeRejected: *bearer(gone), kubernetes.CodeAccount: *bearer(person)},
		Not: map[string]tokens.Credential{
			"another issuer": *bearer(elsewhere), "an API key": *bearer("usher_x"), "opaque": *bearer("abc"),
			"a NATS JWT": *bearer("eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.x"),
		},
		Secrets: []string{good, gone, person, reviewer},
	})
	t.Run("any issuer", func(t *testing.T) {
		conformance.Run(t, conformance.Kind{
			New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
				t.Helper()
				return k.verifier(t, func(c *kubernetes.Config) { c.Issuer = "" })
			},
			Method: identity.MethodKubernetes, Authority: "main",
			Good:    *bearer(good),
			Bad:     map[string]tokens.Credential{kubernetes.CodeRejected: *bearer(elsewhere)},
			Secrets: []string{good, elsewhere},
		})
	})
}

func TestIdentity(t *testing.T) {
	k := newCluster(t)
	end := time.Now().Add(30 * time.Minute).Truncate(time.Second)
	token := k.token(map[string]any{"exp": end.Unix(), "aud": []string{"other", "queue"}, "kubernetes.io": map[string]any{
		"pod": map[string]any{"name": "web-1", "uid": "web-1-uid"}, "node": map[string]any{"name": "node-1", "uid": "node-1-uid"},
	}})
	c := bearer(token)
	c.User = "project=shop"
	id, err := k.verifier(t, nil).Verify(t.Context(), c)
	want := identity.Identity{
		ID: "system:serviceaccount:shop:web", Authority: "main", Method: identity.MethodKubernetes, NotAfter: end,
		Attributes: identity.Attributes{"kubernetes": map[string]any{
			"namespace": "shop", "service_account": "web", "service_account_uid": "web-uid",
			"pod": "web-1", "pod_uid": "web-1-uid", "node": "node-1", "node_uid": "node-1-uid",
		}},
		Selection: identity.Selection{Project: "shop"},
	}
	if err != nil || !reflect.DeepEqual(id, want) {
		t.Errorf("got %+v, %v", id, err)
	}
	k = newCluster(t)
	id, err = k.verifier(t, nil).Verify(t.Context(), bearer(k.token(map[string]any{"kubernetes.io": map[string]any{}, "exp": nil})))
	if !errors.Is(err, tokens.ErrRejected) { // Kubernetes refuses it: exp is zero
		t.Errorf("got %+v, %v", id, err)
	}
}

// The tokens that the API server refuses.
//
// Attack: a service account's token is used once its pod is gone, for another audience, or with other claims
// Held by: TokenReview: the API server is asked for the configured audiences, and its answer is kept for a minute only
func TestRefused(t *testing.T) {
	k, other := newCluster(t), newCluster(t)
	token := k.token(nil)
	dots := strings.Split(token, ".")
	for name, tt := range map[string]struct{ token, code, cause string }{
		"forged":              {other.token(nil), kubernetes.CodeRejected, "cryptographic"},
		"other claims":        {dots[0] + "." + strings.Split(k.token(map[string]any{"sub": "system:serviceaccount:kube-system:admin"}), ".")[1] + "." + dots[2], kubernetes.CodeRejected, "cryptographic"},
		"without a signature": {dots[0] + "." + dots[1] + ".", kubernetes.CodeRejected, "cryptographic"},
		"another audience":    {k.token(map[string]any{"aud": []string{"vault"}}), kubernetes.CodeRejected, "audiences"},
		"expired":             {k.token(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), kubernetes.CodeRejected, "expired"},
		"a pod that is gone":  {k.token(map[string]any{"kubernetes.io": map[string]any{"pod": map[string]any{"name": "x", "uid": "x"}}}), kubernetes.CodeRejected, "invalidated"},
		"a user":              {k.token(map[string]any{"sub": "alice"}), kubernetes.CodeAccount, ""},
		"a node":              {k.token(map[string]any{"sub": "system:node:n1"}), kubernetes.CodeAccount, ""},
		"no name":             {k.token(map[string]any{"sub": "system:serviceaccount:shop:"}), kubernetes.CodeAccount, ""},
		"no namespace":        {k.token(map[string]any{"sub": "system:serviceaccount::web"}), kubernetes.CodeAccount, ""},
		"three names":         {k.token(map[string]any{"sub": "system:serviceaccount:shop:web:x"}), kubernetes.CodeAccount, ""},
		"a wildcard":          {k.token(map[string]any{"sub": "system:serviceaccount:shop:*"}), kubernetes.CodeAccount, ""},
		"a line end":          {k.token(map[string]any{"sub": "system:serviceaccount:shop:web\n"}), kubernetes.CodeAccount, ""},
		"a dotted namespace":  {k.token(map[string]any{"sub": "system:serviceaccount:shop.x:web"}), kubernetes.CodeAccount, ""},
		"upper case":          {k.token(map[string]any{"sub": "system:serviceaccount:Shop:web"}), kubernetes.CodeAccount, ""},
		"a long name":         {k.token(map[string]any{"sub": "system:serviceaccount:shop:" + strings.Repeat("a.", 127) + "a"}), kubernetes.CodeAccount, ""},
	} {
		_, err := k.verifier(t, nil).Verify(t.Context(), bearer(tt.token))
		var r *tokens.Reason
		if !errors.As(err, &r) || r.Code != tt.code || !strings.Contains(r.Cause, tt.cause) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A pod that is removed can connect for as long as the answer is kept, and not longer.
func TestPodIsRemoved(t *testing.T) {
	k := newCluster(t)
	now := time.Now()
	v := k.verifier(t, func(c *kubernetes.Config) { c.Now = func() time.Time { return now } })
	c := bearer(k.token(nil))
	verify := func() error {
		_, err := v.Verify(t.Context(), c)
		return err
	}
	if !v.Slow(c) || verify() != nil || v.Slow(c) || k.called() != 1 {
		t.Fatalf("%d calls", k.called())
	}
	k.change(func() { delete(k.pods, "web-1-uid") })
	if now = now.Add(time.Minute - 1); verify() != nil || k.called() != 1 {
		t.Errorf("the answer is not kept: %d calls", k.called())
	}
	now = now.Add(1)
	if err := verify(); !errors.Is(err, tokens.ErrRejected) || k.called() != 2 {
		t.Errorf("got %v, %d calls", err, k.called())
	}
	v.Forget(func(*identity.Identity) bool { return true })
	if !v.Slow(c) {
		t.Error("the refusal is still kept")
	}
}

func TestKeptTokenExpires(t *testing.T) {
	k := newCluster(t)
	end := time.Now().Add(20 * time.Second).Truncate(time.Second)
	now := time.Now()
	v := k.verifier(t, func(c *kubernetes.Config) { c.Now = func() time.Time { return now } })
	c := bearer(k.token(map[string]any{"exp": end.Unix()}))
	if _, err := v.Verify(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	now = end
	var r *tokens.Reason // the clock of the API server is later, so it accepts the token
	if _, err := v.Verify(t.Context(), c); !errors.As(err, &r) || r.Code != kubernetes.CodeExpired || k.called() != 2 {
		t.Errorf("got %v, %d calls", err, k.called())
	}
}

// Nothing but a review with a definite answer denies a client.
func TestUndecided(t *testing.T) {
	answer := func(status int, contentType, body string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	review := func(status string) func(http.ResponseWriter) bool {
		return answer(201, "application/json", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":`+status+`}`)
	}
	const user = `"user":{"username":"system:serviceaccount:shop:web"}`
	for name, override := range map[string]func(http.ResponseWriter) bool{
		"an error of a webhook":    review(`{"user":{},"error":"Post \"https://hook\": dial tcp: connection refused"}`),
		"one beside another":       review(`{"user":{},"error":"[invalid bearer token, oidc: fetch keys: timeout]"}`),
		"accepted with an error":   review(`{"authenticated":true,"audiences":["nats"],` + user + `,"error":"x"}`),
		"accepted, but expired":    review(`{"authenticated":true,"audiences":["nats"],` + user + `,"error":"service account token has expired"}`),
		"no status":                answer(201, "application/json", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1"}`),
		"another kind":             answer(201, "application/json", `{"kind":"Status","apiVersion":"authentication.k8s.io/v1","status":{}}`),
		"an older version":         answer(201, "application/json", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","status":{}}`),
		"a status of another type": answer(201, "application/json", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":"Failure"}`),
		"a member twice":           review(`{"authenticated":false,"authenticated":true,"audiences":["nats"],` + user + `}`),
		"400":                      answer(400, "application/json", `{}`),
		"401":                      answer(401, "application/json", `{}`),
		"403":                      answer(403, "application/json", `{}`),
		"404":                      answer(404, "application/json", `{}`),
		"500":                      answer(500, "application/json", `{}`),
		"503":                      answer(503, "application/json", `{}`),
		"a redirect":               answer(307, "application/json", `{}`),
		"HTML":                     answer(201, "text/html", `<html>`),
		"cut":                      answer(201, "application/json", `{"kind":"TokenReview"`),
		"large":                    answer(201, "application/json", `{"kind":"`+strings.Repeat("x", 1<<20)+`"}`),
	} {
		k := newCluster(t)
		k.override = override
		v := k.verifier(t, nil)
		_, err := v.Verify(t.Context(), bearer(k.token(nil)))
		if !errors.Is(err, tokens.ErrUnavailable) || errors.Is(err, tokens.ErrRejected) || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: %v", name, err)
		}
		if s := v.Status().Backends[0]; s.Failures != 1 || s.Error == "" || s.Name != "kubernetes:main" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	// An API server that does not know audiences.
	k := newCluster(t)
	k.override = review(`{"authenticated":true,` + user + `}`)
	var r *tokens.Reason
	if _, err := k.verifier(t, nil).Verify(t.Context(), bearer(k.token(nil))); !errors.As(err, &r) || r.Code != kubernetes.CodeAudience {
		t.Errorf("without audiences: %v", err)
	}
}

// CA and token are read when they are needed, because Kubernetes replaces both.
func TestRenewedFiles(t *testing.T) {
	k := newCluster(t)
	k.server.Config.SetKeepAlivesEnabled(false)
	v := k.verifier(t, func(c *kubernetes.Config) { c.Backend.MaxAge = 0 })
	c := bearer(k.token(nil))
	verify := func(what string, ok bool) {
		t.Helper()
		_, err := v.Verify(t.Context(), c)
		if (err == nil) != ok || errors.Is(err, tokens.ErrRejected) {
			t.Errorf("%s: %v", what, err)
		}
	}
	verify("at first", true)
	k.change(func() { k.bearer = "renewed" })
	verify("with an old token", false)
	k.write(t, "token", "renewed")
	verify("with a renewed token", true)
	old, err := os.ReadFile(filepath.Join(k.files, "ca.crt"))
	callouttest.Must(t, err)
	k.renewCA(t)
	renewed, err := os.ReadFile(filepath.Join(k.files, "ca.crt"))
	callouttest.Must(t, err)
	k.write(t, "ca.crt", string(old))
	verify("with an old CA", false)
	k.write(t, "ca.crt", string(renewed))
	verify("with a renewed CA", true)
	k.write(t, "ca.crt", "half a cert")
	verify("with half a CA", false)
	k.write(t, "ca.crt", string(renewed))
	k.write(t, "token", "")
	verify("without a token", false)
	k.write(t, "token", "renewed")
	verify("at last", true)
}

func TestProbe(t *testing.T) {
	k := newCluster(t)
	v := k.verifier(t, nil)
	for range 2 {
		v.Probe(t.Context())
	}
	if s := v.Status().Backends[0]; !s.Up || s.Error != "" || s.Requests != 2 {
		t.Errorf("got %+v", s)
	}
	k.change(func() { k.bearer = "renewed" })
	v.Probe(t.Context())
	if s := v.Status().Backends[0]; s.Up || !strings.Contains(s.Error, "usher's own token") {
		t.Errorf("got %+v", s)
	}
}

func TestConfig(t *testing.T) {
	k := newCluster(t)
	for want, change := range map[string]func(*kubernetes.Config){
		"url: ":        func(c *kubernetes.Config) { c.URL = "http://kubernetes.default.svc" },
		"audiences: ":  func(c *kubernetes.Config) { c.Audiences = nil },
		"token_file: ": func(c *kubernetes.Config) { c.TokenFile += "absent" },
		"ca_file: ":    func(c *kubernetes.Config) { c.HTTP.CAFile += "absent" },
	} {
		cfg := k.config()
		change(&cfg)
		if _, err := kubernetes.NewVerifier(cfg); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s%v", want, err)
		}
	}
	writable := filepath.Join(k.files, "writable")
	callouttest.Must(t, os.WriteFile(writable, []byte("x"), 0o600))
	callouttest.Must(t, os.Chmod(writable, 0o666))
	cfg := k.config()
	cfg.TokenFile = writable
	if _, err := kubernetes.NewVerifier(cfg); err == nil {
		t.Error("a token that everybody can write is accepted")
	}
}

// Errors of TokenReview that are definite, and others.
func TestErrors(t *testing.T) {
	for text, definite := range map[string]bool{
		"[invalid bearer token, service account token has been invalidated]": true,

		"[invalid bearer token, Token has expired.]":                                            false,
		"invalid bearer token":                                                                  true,
		"service account token is not valid yet":                                                true,
		"service account shop/web has been deleted":                                             true,
		`serviceaccounts "web" not found`:                                                       true,
		"service account UID (a) does not match claim (b)":                                      true,
		"pod UID (a) does not match service account pod ref claim (b)":                          true,
		"invalid signature, no keys found":                                                      true,
		"square/go-jose: error in cryptographic primitive":                                      true,
		`token audiences ["vault"] is invalid for the target audiences ["nats"]`:                true,
		"etcdserver: request timed out":                                                         false,
		"oidc: verify token: fetching keys oidc: get keys failed":                               false,
		"[oidc: verify token: oidc: id token issued by a different provider, webhook: timeout]": false,
		"service account token claims could not be validated due to unexpected private claim":   false,
	} {
		a, err := kubernetes.Parse([]byte(`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"error":` + quote(text) + `}}`))
		if (err == nil) != definite || definite != (a.Refusal != nil) {
			t.Errorf("%s: %+v, %v", text, a.Refusal, err)
		}
	}
}

func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

func FuzzReview(f *testing.F) {
	for _, status := range []string{
		`{}`, `{"user":{}}`, `{"error":"service account token has expired"}`, `{"error":"x"}`,
		`{"authenticated":true,"audiences":["nats"],"user":{"username":"system:serviceaccount:shop:web","uid":"u","extra":{"authentication.kubernetes.io/pod-name":["p"]}}}`,
		`{"authenticated":true,"user":{"username":"system:serviceaccount:shop:web"}}`, `{"authenticated":true,"audiences":["nats"],"user":{"username":"a"}}`, `null`,
	} {
		f.Add([]byte(`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":` + status + `}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := kubernetes.Parse(text)
		switch {
		case err != nil && (a.Refusal != nil || a.Identity.ID != ""):
			t.Error("an error with an answer")
		case err == nil && (a.Refusal == nil) == (a.Identity.ID == ""):
			t.Errorf("neither yes nor no: %+v", a)
		case a.Identity.ID != "" && (strings.Count(a.Identity.ID, ":") != 3 || strings.ContainsAny(a.Identity.ID, "*> \n")):
			t.Errorf("id %q", a.Identity.ID)
		}
	})
}

func TestTimeOf(t *testing.T) {
	for text, want := range map[string]int64{"1800000000": 1800000000, "1.8e9": 1800000000, "1800000000.9": 1800000000, "": -1, "0": -1, "-1": -1, "1e300": -1} {
		got, ok := kubernetes.TimeOf(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
}
