package automate_test

import (
	"context"
	"encoding/base64"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"usher/callout/callouttest"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/tlsfiles"
	"usher/tokens"
	"usher/tokens/automate"
	"usher/tokens/automate/automatetest"
	"usher/tokens/backend"
	"usher/tokens/conformance"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

// configOf returns the configuration of a verifier that asks these services.
func configOf(tb testing.TB, a *automatetest.Automate) automate.Config {
	tb.Helper()
	secured, err := tlsfiles.Client(tlsfiles.Files{CA: a.CAFile, Cert: a.Cert, Key: a.Key})
	callouttest.Must(tb, err)
	return automate.Config{
		Authority: "chef",
		Authn:     automate.Service{Address: a.Authn.Address, Name: automatetest.AuthnService, TLS: secured},
		Authz:     automate.Service{Address: a.Authz.Address, Name: automatetest.AuthzService, TLS: secured},
		Resource:  automatetest.Resource, Action: automatetest.Action,
		Backend: backend.Config{MaxAge: time.Minute, RefusalAge: time.Minute, Timeout: 5 * time.Second, Retries: 1},
		Now:     time.Now, NewID: func() string { return "nobody" },
	}
}

// start returns a verifier that keeps its connections until the test ends.
func start(tb testing.TB, cfg automate.Config) *automate.Verifier { //nolint:gocritic // a description, used once
	tb.Helper()
	v := automate.NewVerifier(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.Run(ctx)
	}()
	tb.Cleanup(func() {
		cancel()
		<-ended
	})
	return v
}

func token(text string) *tokens.Credential { return &tokens.Credential{AuthToken: text} }

var alice = automatetest.Reply{Subject: "token:alice", Teams: []string{"team:local:ops"}, Requestor: "user:local:admin", Projects: []string{"(unassigned)", "east"}}

func TestConformance(t *testing.T) {
	a := automatetest.New(t)
	a.Set("good-token", alice)
	a.Set("idle-token", automatetest.Reply{Subject: "token:idle"})
	for text, code := range map[string]codes.Code{"state-token": codes.FailedPrecondition, "away-token": codes.Unavailable, "forbidden-token": codes.PermissionDenied} {
		a.Set(text, automatetest.Reply{Subject: text[:5], AuthzError: status.Error(code, "no answer about "+text)})
	}
	jwt := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + ".e30.c2ln"
	conformance.Run(t, conformance.Kind{
		New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
			t.Helper()
			return start(t, configOf(t, a))
		},
		Method: identity.MethodAutomate, Authority: "chef",
		Good: *token("good-token"),
		Bad: map[string]tokens.Credential{
			automate.CodeRejected:   *token("unknown-token"),
			automate.CodeNoProjects: *token("idle-token"),
			automate.CodeForm:       *token("good-token\n"),
		},
		Down:    map[string]tokens.Credential{"the state": *token("state-token"), "authz": *token("away-token"), "usher's rights": *token("forbidden-token")},
		Not:     map[string]tokens.Credential{"an API key": *token("usher_x"), "a JWT": *token(jwt), "a user": {User: "alice"}},
		Secrets: []string{"good-token", "unknown-token", "idle-token", "state-token", "away-token", "forbidden-token"},
	})
}

func TestIdentity(t *testing.T) {
	a := automatetest.New(t)
	a.Set("t", alice)
	v := start(t, configOf(t, a))
	id, err := v.Verify(t.Context(), &tokens.Credential{User: "account=INGEST", Password: "t"})
	want := identity.Identity{
		ID: "token:alice", Authority: "chef", Method: identity.MethodAutomate,
		Attributes: identity.Attributes{"claims": map[string]any{
			"subject": "token:alice", "teams": []any{"team:local:ops"}, "projects": []any{"(unassigned)", "east"}, "requestor": "user:local:admin",
		}},
		Selection: identity.Selection{Account: "INGEST"},
	}
	if err != nil || !reflect.DeepEqual(id, want) {
		t.Errorf("%+v, %v", id, err)
	}
}

// What authn-service is asked about, and how often.
//
// Attack: a credential that is not meant for Chef Automate is sent to it
// Held by: authn-service gets no API key, no health-check token, no NATS JWT, no other JWT unless it is configured, and nothing without the configured prefix
func TestWhatIsSent(t *testing.T) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	jwt, nats := part(`{"alg":"RS256"}`)+".e30.c2ln", part(`{"typ":"JWT","alg":"ed25519-nkey"}`)+".e30.c2ln"
	for _, tt := range []struct {
		name, prefix string
		jwt          bool
		c            tokens.Credential
		sent         string
	}{
		{"a token", "", false, tokens.Credential{AuthToken: "abc="}, "abc="},
		{"as password", "", false, tokens.Credential{User: "x", Password: "abc"}, "abc"},
		{"as user name", "", false, tokens.Credential{User: "abc"}, ""},
		{"with the prefix", "ab", false, tokens.Credential{AuthToken: "abc"}, "abc"},
		{"with another prefix", "b", false, tokens.Credential{AuthToken: "abc"}, ""},
		{"an API key", "", true, tokens.Credential{AuthToken: "usher_abc"}, ""},
		{"a health check", "", true, tokens.Credential{AuthToken: "HEALTHCHECK-abc"}, ""},
		{"a NATS JWT", "", true, tokens.Credential{AuthToken: nats}, ""},
		{"a JWT", "", false, tokens.Credential{AuthToken: jwt}, ""},
		{"a JWT, with jwt: true", "", true, tokens.Credential{AuthToken: jwt}, jwt},
		{"a line break", "", false, tokens.Credential{AuthToken: "a\nb"}, ""},
		{"a space at the end", "", false, tokens.Credential{AuthToken: "ab "}, ""},
		{"an umlaut", "", false, tokens.Credential{AuthToken: "äb"}, ""},
		{"too long", "", false, tokens.Credential{AuthToken: strings.Repeat("a", 5000)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := automatetest.New(t)
			cfg := configOf(t, a)
			cfg.Prefix, cfg.JWT = tt.prefix, tt.jwt
			v := start(t, cfg)
			if slow := v.Slow(&tt.c); slow != (tt.sent != "") {
				t.Errorf("slow: %v", slow)
			}
			for range 2 {
				_, err := v.Verify(t.Context(), &tt.c)
				if final := errors.Is(err, tokens.ErrRejected); final != (tt.prefix != "" && tt.sent != "") || !final && !errors.Is(err, tokens.ErrNotApplicable) {
					t.Errorf("%v", err)
				}
			}
			var want []string
			if tt.sent != "" {
				want = []string{tt.sent} // once: the refusal is kept
			}
			if got := a.Asked(); !slices.Equal(got, want) {
				t.Errorf("asked about %q", got)
			}
		})
	}
}

// Many clients with one token cause one call, and Forget another.
func TestOneCallPerToken(t *testing.T) {
	a := automatetest.New(t)
	slow := alice
	slow.AuthnDelay = 100 * time.Millisecond
	a.Set("t", slow)
	v := start(t, configOf(t, a))
	verify := func() {
		if _, err := v.Verify(t.Context(), token("t")); err != nil {
			t.Error(err)
		}
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(verify)
	}
	all.Wait()
	if v.Slow(token("t")) || len(a.Asked()) != 1 {
		t.Errorf("slow, or asked %d times", len(a.Asked()))
	}
	v.Forget(func(id *identity.Identity) bool { return id.ID == alice.Subject })
	verify()
	if len(a.Asked()) != 2 {
		t.Errorf("asked %d times", len(a.Asked()))
	}
}

// An answer that does not say whose the token is, and where it is allowed, decides nothing.
func TestUnusable(t *testing.T) {
	a := automatetest.New(t)
	v := start(t, configOf(t, a))
	many := func(n int, name string) []string { return slices.Repeat([]string{name}, n) }
	for name, tt := range map[string]struct {
		automatetest.Reply
		code string
	}{
		"no subject":          {automatetest.Reply{Projects: alice.Projects}, automate.CodeUnusable},
		"a long subject":      {automatetest.Reply{Subject: strings.Repeat("x", 300), Projects: alice.Projects}, automate.CodeUnusable},
		"a line break":        {automatetest.Reply{Subject: "a\nb", Projects: alice.Projects}, automate.CodeUnusable},
		"an empty team":       {automatetest.Reply{Subject: "s1", Teams: []string{""}, Projects: alice.Projects}, automate.CodeUnusable},
		"too many teams":      {automatetest.Reply{Subject: "s2", Teams: many(1001, "team:x"), Projects: alice.Projects}, automate.CodeUnusable},
		"too many projects":   {automatetest.Reply{Subject: "s3", Projects: many(1001, "p")}, automate.CodeUnusable},
		"an empty project":    {automatetest.Reply{Subject: "s4", Projects: []string{""}}, automate.CodeUnusable},
		"a long requestor":    {automatetest.Reply{Subject: "s5", Requestor: strings.Repeat("x", 300), Projects: alice.Projects}, automate.CodeUnusable},
		"an oversized answer": {automatetest.Reply{Subject: "s6", Teams: many(300, strings.Repeat("x", 1000))}, automate.CodeFailed},
		"oversized metadata":  {automatetest.Reply{Subject: "s7", AuthnError: status.Error(codes.Unauthenticated, strings.Repeat("x", 40<<10))}, automate.CodeFailed},
		"a denial by authz":   {automatetest.Reply{Subject: "s8", AuthzError: status.Error(codes.Unauthenticated, "who are you?")}, automate.CodeFailed},
		"a state of authn":    {automatetest.Reply{AuthnError: status.Error(codes.FailedPrecondition, "")}, automate.CodeNotReady},
		"a right of usher":    {automatetest.Reply{AuthnError: status.Error(codes.PermissionDenied, "")}, automate.CodeFailed},
	} {
		text := strings.ReplaceAll(name, " ", "-")
		a.Set(text, tt.Reply)
		_, err := v.Verify(t.Context(), token(text))
		var u *tokens.UndecidedError
		if !errors.As(err, &u) || u.Code != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}
