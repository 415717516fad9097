package webhook_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/conformance"
	"usher/tokens/webhook"
)

func TestConformance(t *testing.T) {
	replies := map[string]reply{
		"sess_alice":  {body: alice},
		"sess_bob":    {body: `{"denied":{"reason":"sess_bob-was-stolen"}}`},
		"sess_ended":  {body: `{"identity":{"id":"carol","expires":"2001-01-01T00:00:00Z"}}`},
		"sess_down":   {status: 503},
		"sess_broken": {body: `{"identity":{"id":"sess_broken"}`},
		"hunter22":    {body: alice},
		"hunter23":    {body: `{"denied":{}}`},
		"hunter24":    {status: 500},
	}
	jwt := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + ".e30.c2ln"
	t.Run("token", func(t *testing.T) {
		e := newEndpoint(t, replies)
		conformance.Run(t, conformance.Kind{
			New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
				t.Helper()
				return e.verifier(t, nil)
			},
			Method: identity.MethodWebhook, Authority: "sso",
			Good: *token("sess_alice"),
			Bad: map[string]tokens.Credential{
				webhook.CodeDenied:  *token("sess_bob"),
				webhook.CodeUnknown: *token("sess_nobody"),
				webhook.CodeExpired: *token("sess_ended"),
			},
			Down:    map[string]tokens.Credential{"the endpoint": *token("sess_down"), "an answer": *token("sess_broken")},
			Not:     map[string]tokens.Credential{"another prefix": *token("other"), "an API key": *token("usher_x"), "a JWT": *token(jwt)},
			Secrets: []string{"sess_alice", "sess_bob", "sess_nobody", "sess_ended", "sess_down", "sess_broken"},
		})
	})
	t.Run("user and password", func(t *testing.T) {
		e := newEndpoint(t, replies)
		user := func(name, password string) tokens.Credential {
			return tokens.Credential{User: name, Password: password}
		}
		conformance.Run(t, conformance.Kind{
			New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
				t.Helper()
				return e.verifier(t, func(c *webhook.Config) { c.Send, c.Prefix = webhook.KindUserPassword, "" })
			},
			Method: identity.MethodWebhook, Authority: "sso",
			Good: user("alice", "hunter22"),
			Bad:  map[string]tokens.Credential{webhook.CodeDenied: user("alice", "hunter23"), webhook.CodeUnknown: user("alice", "wrong")},
			Down: map[string]tokens.Credential{"the endpoint": user("alice", "hunter24")},
			Not: map[string]tokens.Credential{
				"a token": *token("sess_alice"), "a user": user("alice", ""), "a password": user("", "hunter22"),
				"a selection and a token": user("project=shop", "hunter22"), "an API key": user("alice", "usher_x"),
				"a token beside": {User: "alice", Password: "hunter22", AuthToken: "other"},
			},
			Secrets: []string{"hunter22", "hunter23", "hunter24"},
		})
	})
}

func TestIdentity(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := newEndpoint(t, map[string]reply{
		"sess_a": {body: `{"identity":{"id":"alice","attributes":{"n":1,"deep":{"list":[true,null]}},"expires":"2026-01-02T05:04:05+01:00"}}`},
		"sess_b": {body: `{"identity":{"id":"b"}}`},
	})
	v := e.verifier(t, func(c *webhook.Config) { c.Now, c.Backend.Now = fixed(now), fixed(now) })
	c := token("sess_a")
	c.User = "project=shop"
	id, err := v.Verify(t.Context(), c)
	want := identity.Identity{
		ID: "alice", Authority: "sso", Method: identity.MethodWebhook,
		Attributes: identity.Attributes{"webhook": map[string]any{"n": 1.0, "deep": map[string]any{"list": []any{true, nil}}}},
		Selection:  identity.Selection{Project: "shop"},
	}
	if err != nil || !id.NotAfter.Equal(now.Add(time.Hour)) {
		t.Errorf("%v, ends %s", err, id.NotAfter)
	}
	if id.NotAfter = (time.Time{}); !reflect.DeepEqual(id, want) {
		t.Errorf("got %+v", id)
	}
	id, err = v.Verify(t.Context(), token("sess_b"))
	if err != nil || !reflect.DeepEqual(id.Attributes, identity.Attributes{"webhook": map[string]any{}}) || !id.NotAfter.IsZero() {
		t.Errorf("got %+v, %v", id, err)
	}
}

func fixed(now time.Time) func() time.Time { return func() time.Time { return now } }

// What is sent, and what never is.
//
// Attack: a credential that is not meant for an endpoint is sent to it
// Held by: a webhook gets no API key, no health-check token, no NATS JWT, and no other JWT unless it is configured
func TestWhatIsSent(t *testing.T) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	jwt, nats := part(`{"alg":"RS256"}`)+".e30.c2ln", part(`{"typ":"JWT","alg":"ed25519-nkey"}`)+".e30.c2ln"
	for _, tt := range []struct {
		name        string
		send        webhook.Kind
		prefix      string
		jwt         bool
		c           tokens.Credential
		token, user string // empty: nothing is sent
	}{
		{"a token", webhook.KindToken, "", false, tokens.Credential{AuthToken: "abc"}, "abc", ""},
		{"as password", webhook.KindToken, "", false, tokens.Credential{Password: "abc", User: "x"}, "abc", ""},
		{"as user name", webhook.KindToken, "", false, tokens.Credential{User: "abc"}, "", ""}, // it may be a name
		{"with the prefix", webhook.KindToken, "ab", false, tokens.Credential{AuthToken: "abc"}, "abc", ""},
		{"with another prefix", webhook.KindToken, "b", false, tokens.Credential{AuthToken: "abc"}, "", ""},
		{"an API key", webhook.KindToken, "", true, tokens.Credential{AuthToken: "usher_abc"}, "", ""},
		{"a health check", webhook.KindToken, "", true, tokens.Credential{AuthToken: "HEALTHCHECK-abc"}, "", ""},
		{"a NATS JWT", webhook.KindToken, "", true, tokens.Credential{AuthToken: nats}, "", ""},
		{"a sentinel alone", webhook.KindToken, "", true, tokens.Credential{NATSJWT: nats}, "", ""},
		{"an nkey", webhook.KindToken, "", true, tokens.Credential{NKey: "U", Signature: "s", Nonce: "n"}, "", ""},
		{"a JWT", webhook.KindToken, "", false, tokens.Credential{AuthToken: jwt}, "", ""},
		{"a JWT, with jwt: true", webhook.KindToken, "", true, tokens.Credential{AuthToken: jwt}, jwt, ""},
		{"a user", webhook.KindUserPassword, "", false, tokens.Credential{User: "alice", Password: "pw"}, "pw", "alice"},
		{"a user of MQTT", webhook.KindUserPassword, "", false, tokens.Credential{User: "alice", Password: "pw", AuthToken: "pw"}, "pw", "alice"},
		{"a user and a selection", webhook.KindUserPassword, "", false, tokens.Credential{User: "alice,account=A", Password: "pw"}, "pw", "alice"},
		{"a user with the prefix", webhook.KindUserPassword, "al", false, tokens.Credential{User: "alice", Password: "pw"}, "pw", "alice"},
		{"a user with another prefix", webhook.KindUserPassword, "pw", false, tokens.Credential{User: "alice", Password: "pw"}, "", ""},
		{"a user with an API key", webhook.KindUserPassword, "", true, tokens.Credential{User: "alice", Password: "usher_x"}, "", ""},
		{"a user with a JWT", webhook.KindUserPassword, "", false, tokens.Credential{User: "alice", Password: jwt}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, map[string]reply{})
			v := e.verifier(t, func(c *webhook.Config) { c.Send, c.Prefix, c.JWT = tt.send, tt.prefix, tt.jwt })
			if slow := v.Slow(&tt.c); slow != (tt.token != "") {
				t.Errorf("slow: %v", slow)
			}
			_, err := v.Verify(t.Context(), &tt.c)
			if !errors.Is(err, tokens.ErrNotApplicable) {
				t.Errorf("got %v", err)
			}
			if tt.token == "" {
				if e.calls() != 0 {
					t.Error("the endpoint was asked")
				}
				return
			}
			_, body := e.last(t)
			q := decode(t, body)["credential"].(map[string]any)
			if tt.send == webhook.KindToken && (q["token"] != tt.token || len(q) != 2) ||
				tt.send == webhook.KindUserPassword && (q["password"] != tt.token || q["user"] != tt.user || len(q) != 3) {
				t.Errorf("sent %v", q)
			}
		})
	}
	e := newEndpoint(t, map[string]reply{})
	v := e.verifier(t, func(c *webhook.Config) { c.Send, c.Prefix = webhook.KindUserPassword, "" })
	var r *tokens.Reason
	if _, err := v.Verify(t.Context(), &tokens.Credential{User: "alice,project=", Password: "pw"}); !errors.As(err, &r) || r.Code != tokens.CodeSelection || e.calls() != 0 {
		t.Errorf("an empty selection: %v, %d calls", err, e.calls())
	}
}

// Everything that is not exactly an answer decides nothing, and one credential does not
// keep the others from being verified.
func TestStrangeAnswers(t *testing.T) {
	elsewhere := newEndpoint(t, map[string]reply{"sess_x": {body: alice}})
	for name, r := range map[string]reply{
		"status 204":             {status: 204},
		"status 201":             {status: 201, body: alice},
		"status 301":             {status: 301, header: map[string]string{"Location": elsewhere.server.URL}},
		"status 307":             {status: 307, header: map[string]string{"Location": elsewhere.server.URL}},
		"status 401":             {status: 401, body: `{"denied":{}}`},
		"status 403":             {status: 403, body: `{"denied":{}}`},
		"status 404":             {status: 404, body: `{"unknown":true}`},
		"status 500":             {status: 500, body: alice},
		"another content type":   {body: alice, header: map[string]string{"Content-Type": "text/html"}},
		"large":                  {body: `{"identity":{"id":"alice","attributes":{"a":"` + strings.Repeat("x", 64<<10) + `"}}}`},
		"empty":                  {},
		"cut":                    {body: alice[:len(alice)-1]},
		"HTML":                   {body: "<html>"},
		"an array":               {body: `[` + alice + `]`},
		"two objects":            {body: alice + alice},
		"nothing":                {body: `{}`},
		"null":                   {body: `{"identity":null}`},
		"unknown: false":         {body: `{"unknown":false}`},
		"an identity and a no":   {body: `{"identity":{"id":"alice"},"denied":{}}`},
		"an identity, unknown":   {body: `{"identity":{"id":"alice"},"unknown":true}`},
		"an identity twice":      {body: `{"identity":{"id":"alice"},"identity":{"id":"bob"}}`},
		"another case twice":     {body: `{"identity":{"id":"alice"},"Identity":{"id":"bob"}}`},
		"another member":         {body: `{"identity":{"id":"alice"},"admin":true}`},
		"a mistyped member":      {body: `{"identity":{"id":"alice","expire":"2001-01-01T00:00:00Z"}}`},
		"no id":                  {body: `{"identity":{}}`},
		"an empty id":            {body: `{"identity":{"id":""}}`},
		"a long id":              {body: `{"identity":{"id":"` + strings.Repeat("a", 257) + `"}}`},
		"an id with a line end":  {body: `{"identity":{"id":"a\nb"}}`},
		"a number as id":         {body: `{"identity":{"id":7}}`},
		"attributes of no kind":  {body: `{"identity":{"id":"alice","attributes":[]}}`},
		"deep attributes":        {body: `{"identity":{"id":"alice","attributes":{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}}`},
		"a date as end":          {body: `{"identity":{"id":"alice","expires":"2030-01-01"}}`},
		"a number as end":        {body: `{"identity":{"id":"alice","expires":1900000000}}`},
		"an empty end":           {body: `{"identity":{"id":"alice","expires":""}}`},
		"a negative cache":       {body: `{"identity":{"id":"alice","cache":-1}}`},
		"a fractional cache":     {body: `{"identity":{"id":"alice","cache":1.5}}`},
		"a cache beyond a year":  {body: `{"identity":{"id":"alice","cache":9223372036854775807}}`},
		"a reason of no kind":    {body: `{"denied":{"reason":1}}`},
		"denied: true":           {body: `{"denied":true}`},
		"invalid UTF-8":          {body: "{\"identity\":{\"id\":\"\xff\"}}"},
		"compressed, not asked":  {body: alice, header: map[string]string{"Content-Encoding": "gzip", "Content-Type": "application/gzip"}},
		"without a content type": {body: alice, header: map[string]string{"Content-Type": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, map[string]reply{"sess_x": r, "sess_good": {body: alice}})
			v := e.verifier(t, nil)
			for range 10 {
				id, err := v.Verify(t.Context(), token("sess_x"))
				if !errors.Is(err, tokens.ErrUnavailable) || errors.Is(err, tokens.ErrRejected) || id.ID != "" || contains(err, "sess_x") {
					t.Fatalf("got %+v, %v", id, err)
				}
			}
			if _, err := v.Verify(t.Context(), token("sess_good")); err != nil {
				t.Errorf("another credential: %v", err)
			}
		})
	}
	if elsewhere.calls() != 0 {
		t.Error("a redirect was followed")
	}
}

// An endpoint that is away, or that nobody vouches for.
func TestNoAnswer(t *testing.T) {
	e := newEndpoint(t, map[string]reply{"sess_a": {body: alice}})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	silent := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silent }))
	t.Cleanup(hung.Close)
	t.Cleanup(func() { close(silent) })
	noSecret := errors.New("cannot be read")
	for name, v := range map[string]*webhook.Verifier{
		"nobody listens":        newVerifier(t, gone.URL, "", nil),
		"an unknown CA":         newVerifier(t, e.server.URL, "", nil),
		"no answer in time":     newVerifier(t, hung.URL, "", func(c *webhook.Config) { c.Backend.Timeout = 50 * time.Millisecond }),
		"no secret":             e.verifier(t, func(c *webhook.Config) { c.Sign = webhook.NewHMAC(func() (string, error) { return "", noSecret }) }),
		"a short secret":        e.verifier(t, func(c *webhook.Config) { c.Sign = webhook.NewHMAC(func() (string, error) { return "short", nil }) }),
		"a seed of no user":     e.verifier(t, func(c *webhook.Config) { c.Sign = webhook.NewNKey(func() (string, error) { return "SAAA", nil }) }),
		"a seed that is absent": e.verifier(t, func(c *webhook.Config) { c.Sign = webhook.NewNKey(func() (string, error) { return "", noSecret }) }),
	} {
		_, err := v.Verify(t.Context(), token("sess_a"))
		if !errors.Is(err, tokens.ErrUnavailable) || errors.Is(err, tokens.ErrRejected) || contains(err, "short,") || contains(err, "SAAA") {
			t.Errorf("%s: %v", name, err)
		}
		if s := v.Status().Backends[0]; s.Up || s.Name != "webhook:sso" || s.Failures == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if e.calls() != 0 {
		t.Errorf("%d calls", e.calls())
	}
}

// An overloaded endpoint is asked again, with a new id.
func TestRetry(t *testing.T) {
	var n atomic.Int32
	bodies := make(chan string, 2)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		bodies <- string(text)
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(alice))
	}))
	t.Cleanup(s.Close)
	v := newVerifier(t, s.URL, "", func(c *webhook.Config) { c.Backend.Retries = 1 })
	if id, err := v.Verify(t.Context(), token("sess_a")); err != nil || id.ID != "alice" {
		t.Fatalf("got %+v, %v", id, err)
	}
	first, second := decode(t, []byte(<-bodies)), decode(t, []byte(<-bodies))
	if first["call_id"] == second["call_id"] {
		t.Errorf("both calls have id %v", first["call_id"])
	}
}

// One call for many clients, and none while the answer is kept.
func TestCache(t *testing.T) {
	e := newEndpoint(t, map[string]reply{
		"sess_a": {body: alice},
		"sess_b": {body: `{"identity":{"id":"b","cache":60}}`},
		"sess_c": {body: `{"identity":{"id":"c","cache":0}}`},
		"sess_d": {body: `{"denied":{}}`},
		"sess_e": {body: `{"identity":{"id":"e","cache":1000000,"expires":"2026-01-01T00:00:30Z"}}`},
	})
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var passed atomic.Int64
	now := func() time.Time { return start.Add(time.Duration(passed.Load())) }
	v := e.verifier(t, func(c *webhook.Config) { c.Now, c.Backend.Now = now, now })
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if id, err := v.Verify(t.Context(), token("sess_a")); err != nil || id.ID != "alice" {
				t.Errorf("got %+v, %v", id, err)
			}
		})
	}
	all.Wait()
	if e.calls() != 1 {
		t.Fatalf("%d calls for 100 clients", e.calls())
	}
	for _, tt := range []struct {
		name, token string
		after       time.Duration
		calls       int // for two requests at once, and two after that time
	}{
		{"to max_age", "sess_a", time.Hour - 1, 0},
		{"as long as the endpoint says", "sess_b", time.Minute - 1, 1},
		{"as long as the endpoint says, and not longer", "sess_b", time.Minute, 2},
		{"not at all", "sess_c", 0, 4},
		{"a refusal", "sess_d", 0, 1},
		{"up to the end", "sess_e", 30*time.Second - 1, 1},
	} {
		passed.Store(0)
		v := v
		if tt.token != "sess_a" {
			v = e.verifier(t, func(c *webhook.Config) { c.Now, c.Backend.Now = now, now })
		}
		before := e.calls()
		for range 2 {
			_, _ = v.Verify(t.Context(), token(tt.token))
		}
		passed.Store(int64(tt.after))
		for range 2 {
			_, _ = v.Verify(t.Context(), token(tt.token))
		}
		if n := e.calls() - before; n != tt.calls {
			t.Errorf("%s: %d calls, want %d", tt.name, n, tt.calls)
		}
	}
	passed.Store(0)
	if v.Slow(token("sess_a")) || !v.Slow(token("sess_new")) {
		t.Error("slow for a kept answer, or not for a new credential")
	}
}

// A kept identity ends with its credential.
func TestKeptIdentityEnds(t *testing.T) {
	e := newEndpoint(t, map[string]reply{"sess_e": {body: `{"identity":{"id":"e","expires":"2026-01-01T00:00:30Z"}}`}})
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	v := e.verifier(t, func(c *webhook.Config) {
		c.Now, c.Backend.Now = fixed(start.Add(30*time.Second)), fixed(start)
	})
	var r *tokens.Reason
	if _, err := v.Verify(t.Context(), token("sess_e")); !errors.As(err, &r) || r.Code != webhook.CodeExpired || r.Identity.ID != "e" {
		t.Errorf("got %v", err)
	}
}

// A client that does not wait does not get a denial.
func TestCallerLeaves(t *testing.T) {
	block := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(block) })
	v := newVerifier(t, s.URL, "", func(c *webhook.Config) { c.Backend = backend.Config{Now: time.Now, Timeout: 200 * time.Millisecond} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(ctx, token("sess_a")); !errors.Is(err, tokens.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
