package tokens_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/identity"
	"usher/tokens"
)

// stub is a verifier that always returns the same and counts its calls.
type stub struct {
	name  string
	id    identity.Identity
	err   error
	calls int
}

func (s *stub) Name() string { return s.name }

func (s *stub) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	s.calls++
	return s.id, s.err
}

func TestChain(t *testing.T) {
	unknown := errors.New("something else")
	returns := func(name string, err error) *stub {
		return &stub{name: name, id: identity.Identity{Name: name}, err: err}
	}
	wrapped := func(err error) error { return fmt.Errorf("details: %w", err) }
	tests := []struct {
		name  string
		chain []*stub
		by    string // name of the verifier that decided
		want  error  // nil: verified
		calls int    // of all verifiers
	}{
		{"no verifiers", nil, "", tokens.ErrNotApplicable, 0},
		{"recognised by none", []*stub{returns("a", tokens.ErrNotApplicable), returns("b", wrapped(tokens.ErrNotApplicable))}, "", tokens.ErrNotApplicable, 2},
		{"the first that recognises it decides", []*stub{returns("a", nil), returns("b", tokens.ErrRejected)}, "a", nil, 1},
		{"the chain continues with the second", []*stub{returns("a", tokens.ErrNotApplicable), returns("b", nil), returns("c", nil)}, "b", nil, 2},
		{"a rejection is final", []*stub{returns("a", wrapped(tokens.ErrRejected)), returns("b", nil)}, "a", tokens.ErrRejected, 1},
		{"a reason is a rejection", []*stub{returns("a", tokens.Reject("code", "cause", identity.Identity{})), returns("b", nil)}, "a", tokens.ErrRejected, 1},
		{"the last that does not know it rejects it", []*stub{returns("a", tokens.Unknown("code-a", "cause")), returns("b", wrapped(tokens.Unknown("code-b", "cause"))), returns("c", tokens.ErrNotApplicable)}, "b", tokens.ErrRejected, 3},
		{"another knows what one does not", []*stub{returns("a", tokens.Unknown("code", "cause")), returns("b", nil)}, "b", nil, 2},
		{"unavailable is final, and not a denial", []*stub{returns("a", wrapped(tokens.ErrUnavailable)), returns("b", nil)}, "a", tokens.ErrUnavailable, 1},
		{"an unexpected error is not a denial", []*stub{returns("a", unknown), returns("b", nil)}, "a", tokens.ErrUnavailable, 1},
		{"a deadline is not a denial", []*stub{returns("a", context.DeadlineExceeded), returns("b", nil)}, "a", tokens.ErrUnavailable, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var chain tokens.Chain
			for _, s := range tt.chain {
				chain = append(chain, s)
			}
			id, by, err := chain.Verify(t.Context(), &tokens.Credential{AuthToken: "t"}, nil)
			if by != tt.by || !errors.Is(err, tt.want) {
				t.Errorf("%q decided %v, want %q and %v", by, err, tt.by, tt.want)
			}
			if tt.want == nil && id.Name != tt.by || tt.want != nil && id.Name != "" {
				t.Errorf("identity %q", id.Name)
			}
			for _, other := range []error{tokens.ErrNotApplicable, tokens.ErrRejected, tokens.ErrUnavailable} {
				if errors.Is(err, other) && !errors.Is(tt.want, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
			calls := 0
			for _, s := range tt.chain {
				calls += s.calls
			}
			if calls != tt.calls {
				t.Errorf("%d calls of verifiers, want %d", calls, tt.calls)
			}
		})
	}
	_, _, err := tokens.Chain{returns("a", unknown)}.Verify(t.Context(), &tokens.Credential{}, nil)
	if !errors.Is(err, unknown) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestChainWithEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &stub{name: "a"}
	_, by, err := tokens.Chain{s}.Verify(ctx, &tokens.Credential{}, nil)
	if !errors.Is(err, tokens.ErrUnavailable) || !errors.Is(err, context.Canceled) || by != "a" || s.calls != 0 {
		t.Errorf("%q decided %v, %d calls", by, err, s.calls)
	}
}

// slowStub is slow to verify tokens that begin with its name.
type slowStub struct{ stub }

var _ tokens.Slow = (*slowStub)(nil)

func (s *slowStub) Slow(c *tokens.Credential) bool { return strings.HasPrefix(c.Token(), s.name) }

// door is a Gate that writes down what passes it.
type door struct {
	closed bool
	passed []string
}

var errClosed = errors.New("closed")

func (d *door) Enter(verifier string) error {
	if d.closed {
		return errClosed
	}
	d.passed = append(d.passed, "+"+verifier)
	return nil
}

func (d *door) Leave(verifier string) { d.passed = append(d.passed, "-"+verifier) }

// The gate is passed before a verifier that may wait to verify this credential, and at
// no other. Where it is closed, the chain ends without a denial.
func TestGate(t *testing.T) {
	unknown := tokens.ErrNotApplicable
	tests := []struct {
		name   string
		chain  []string // slow verifiers have upper case names
		token  string
		passed string
		closed string // the verifier at a closed gate; empty: the gate is not reached
	}{
		{"no verifiers", nil, "X1", "", ""},
		{"none is slow", []string{"a", "b"}, "X1", "", ""},
		{"the first is slow", []string{"X", "a"}, "X1", "+X -X", "X"},
		{"one in the middle", []string{"a", "X", "b"}, "X1", "+X -X", "X"},
		{"two", []string{"a", "X", "b", "X"}, "X1", "+X -X +X -X", "X"},
		{"slow for other credentials", []string{"X", "a", "Y"}, "Z1", "", ""},
		{"slow for other credentials, and a later one for this", []string{"X", "a", "Y", "b"}, "Y1", "+Y -Y", "Y"},
		{"no token", []string{"X", "a"}, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var chain tokens.Chain
			for _, name := range tt.chain {
				if name == strings.ToUpper(name) {
					chain = append(chain, &slowStub{stub{name: name, err: unknown}})
				} else {
					chain = append(chain, &stub{name: name, err: unknown})
				}
			}
			open, closed := &door{}, &door{closed: true}
			_, _, err := chain.Verify(t.Context(), &tokens.Credential{AuthToken: tt.token}, open)
			if got := strings.Join(open.passed, " "); got != tt.passed || !errors.Is(err, unknown) {
				t.Errorf("passed %q: %v, want %q", got, err, tt.passed)
			}
			_, by, err := chain.Verify(t.Context(), &tokens.Credential{AuthToken: tt.token}, closed)
			if by != tt.closed || errors.Is(err, errClosed) != (tt.closed != "") || errors.Is(err, tokens.ErrRejected) {
				t.Errorf("closed: %q decided %v, want %q", by, err, tt.closed)
			}
		})
	}
}

// A verifier that panics leaves the gate.
func TestGateAfterPanic(t *testing.T) {
	d := &door{}
	func() {
		defer func() { _ = recover() }()
		_, _, _ = tokens.Chain{panicking{}}.Verify(t.Context(), &tokens.Credential{}, d)
	}()
	if got := strings.Join(d.passed, " "); got != "+panicking -panicking" {
		t.Errorf("passed %q", got)
	}
}

type panicking struct{}

func (panicking) Name() string                 { return "panicking" }
func (panicking) Slow(*tokens.Credential) bool { return true }
func (panicking) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	panic("in a verifier")
}

func TestReason(t *testing.T) {
	err := fmt.Errorf("verify: %w", tokens.Reject("key_expired", "the key expired", identity.Identity{Name: "pia"}))
	var r *tokens.Reason
	if !errors.As(err, &r) || r.Code != "key_expired" || r.Identity.Name != "pia" || r.Error() != "the key expired" {
		t.Errorf("got %+v", r)
	}
}

func TestTokenAndSelection(t *testing.T) {
	project, account := identity.Selection{Project: "shop"}, identity.Selection{Account: "APP"}
	none := identity.Selection{}
	tests := []struct {
		name                  string
		authToken, user, pass string
		token                 string
		selection             identity.Selection
	}{
		{"nothing", "", "", "", "", none},
		{"a token", "key", "", "", "key", none},
		{"a password", "", "", "key", "key", none},
		{"the user alone", "", "key", "", "key", none},
		{"a token wins", "key", "user", "pass", "key", none},
		{"a password wins over the user", "", "user", "key", "key", none},
		{"select a project", "", "project=shop", "key", "key", project},
		{"select an account", "", "account=APP", "key", "key", account},
		{"select with a token", "key", "project=shop", "", "key", project},
		{"select with a token and a password", "key", "account=APP", "pass", "key", account},
		{"a selection alone is no token", "", "project=shop", "", "", project},
		{"a user JWT's name alone is no token", "", "alice,account=APP", "", "", account},
		{"a user with = that selects nothing is a token", "", "key=", "", "key=", none},
		{"the user that is also the password is a token", "", "account=APP", "account=APP", "account=APP", none},
		{"the user that is also the token is a token", "project=shop", "project=shop", "", "project=shop", none},
		{"case counts", "", "Project=shop", "key", "key", none},
		{"in the form of a user JWT's name", "", "alice,project=shop", "key", "key", project},
		{"a name and a comma that select nothing", "", "alice,bob", "key", "key", none},
		{"a comma in what is selected", "", "project=shop,lab", "key", "key", identity.Selection{Project: "shop,lab"}},
		{"two selections are one with a comma", "", "project=shop,project=lab", "key", "key", identity.Selection{Project: "shop,project=lab"}},
		{"an account with a comma", "", "account=a,b", "key", "key", identity.Selection{Account: "a,b"}},
		{"white space counts", "", " project=shop", "key", "key", none},
		{"one selection only", "", "project=shop account=APP", "key", "key", identity.Selection{Project: "shop account=APP"}},
		{"a selection that contains =", "", "account=project=shop", "key", "key", identity.Selection{Account: "project=shop"}},
		{"another user name selects nothing", "", "alice", "key", "key", none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tokens.Credential{AuthToken: tt.authToken, User: tt.user, Password: tt.pass}
			if got := c.Token(); got != tt.token {
				t.Errorf("token %q, want %q", got, tt.token)
			}
			if got, err := c.Selection(); err != nil || got != tt.selection {
				t.Errorf("selection %+v, %v, want %+v", got, err, tt.selection)
			}
		})
	}
}

// A client with an unset variable must not get everything.
func TestEmptySelection(t *testing.T) {
	for _, user := range []string{"project=", "account="} {
		c := tokens.Credential{User: user, Password: "key"}
		if got, err := c.Selection(); !errors.Is(err, tokens.ErrEmptySelection) || !got.IsZero() {
			t.Errorf("%q: selection %+v, %v", user, got, err)
		}
	}
}

func TestAddr(t *testing.T) {
	for host, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8::1": "2001:db8::1", "fe80::1%eth0": "fe80::1",
		"": "", "localhost": "", "192.0.2.7:4222": "", "[::1]": "", "192.0.2.007": "", "192.0.2.7/8": "", " 192.0.2.7": "",
	} {
		got := (&tokens.Credential{Host: host}).Addr()
		if want == "" && got.IsValid() || want != "" && got != netip.MustParseAddr(want) {
			t.Errorf("%q is %v, want %q", host, got, want)
		}
	}
}

// A credential is hidden however it is printed.
//
// Attack: a credential is printed by mistake
// Held by: fmt, JSON and slog print a placeholder in place of a credential
func TestCredentialsAreNeverPrinted(t *testing.T) {
	c := tokens.Credential{AuthToken: "s3cret-a", User: "s3cret-b", Password: "s3cret-c"}
	type holder struct {
		C tokens.Credential
		P *tokens.Credential
		I any
		E []tokens.Credential
		M map[string]tokens.Credential
	}
	h := holder{c, &c, c, []tokens.Credential{c}, map[string]tokens.Credential{"c": c}}
	var out bytes.Buffer
	for _, v := range []any{c, &c, h, &h, []any{c, &c}, fmt.Errorf("with %v", c)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("m", slog.Any("v", v))
		}
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
	}
	text := out.String()
	for _, secret := range []string{"s3cret", fmt.Sprintf("%x", "s3cret"), fmt.Sprintf("%X", "s3cret")} {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("a secret is printed: …%s", text[max(0, at-120):at+20])
		}
	}
}

// witness is a Confirmer that knows no credential of its own.
type witness struct {
	slowStub
	end     time.Time
	err     error
	confirm int
}

var _ tokens.Confirmer = (*witness)(nil)

func (w *witness) Confirm(_ context.Context, _ *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	w.confirm++
	id.NotAfter = w.end
	return id, w.err
}

func (w *witness) SlowToConfirm(_ *tokens.Credential, id *identity.Identity) bool {
	return id.Name == "a"
}

// An identity counts once every confirmer has confirmed it, wherever it is in the chain.
func TestConfirm(t *testing.T) {
	end := time.Unix(7, 0)
	for name, tt := range map[string]struct {
		err  error
		by   string
		want error
	}{
		"confirmed":     {nil, "a", nil},
		"contradicted":  {tokens.Reject("code", "cause", identity.Identity{}), "w", tokens.ErrRejected},
		"undecided":     {tokens.ErrUnavailable, "w", tokens.ErrUnavailable},
		"another error": {errors.New("something else"), "w", tokens.ErrUnavailable},
	} {
		for _, first := range []bool{true, false} {
			a := &stub{name: "a", id: identity.Identity{Name: "a"}}
			w := &witness{slowStub: slowStub{stub{name: "w", err: tokens.ErrNotApplicable}}, end: end, err: tt.err}
			chain := tokens.Chain{a, w}
			if first {
				chain = tokens.Chain{w, a}
			}
			passed := &door{}
			id, by, err := chain.Verify(t.Context(), &tokens.Credential{AuthToken: "t"}, passed)
			if by != tt.by || !errors.Is(err, tt.want) || w.confirm != 1 || strings.Join(passed.passed, " ") != "+w -w" {
				t.Errorf("%s: %q decided %v, %d times, %v", name, by, err, w.confirm, passed.passed)
			}
			if tt.want == nil && !id.NotAfter.Equal(end) || tt.want != nil && id.Name != "" {
				t.Errorf("%s: %+v", name, id)
			}
			if _, _, err := chain.Verify(t.Context(), &tokens.Credential{}, &door{closed: true}); !errors.Is(err, errClosed) {
				t.Errorf("%s: %v at a closed gate", name, err)
			}
		}
	}
	own := &witness{slowStub: slowStub{stub{name: "w", id: identity.Identity{Name: "w"}}}}
	if _, by, err := (tokens.Chain{own}).Verify(t.Context(), &tokens.Credential{}, nil); by != "w" || err != nil || own.confirm != 0 {
		t.Errorf("%q decided %v, and confirmed itself %d times", by, err, own.confirm)
	}
}

// TestFailureKey: failures are counted by what identifies a credential.
func TestFailureKey(t *testing.T) {
	chains := [][]string{{"leaf", "root"}, {"leaf", "other root"}}
	for want, c := range map[string]tokens.Credential{
		"":                  {User: "project=lab"},
		"token":             {AuthToken: "token", User: "alice", NKey: "UNKEY", VerifiedChains: chains},
		"password":          {User: "project=lab", Password: "password", NKey: "UNKEY"},
		"alice\x00password": {User: "alice,project=lab", Password: "password", AuthToken: "password"}, // as MQTT clients present it
		"UNKEY":             {NKey: "UNKEY", VerifiedChains: chains},
		"leaf":              {VerifiedChains: chains},
	} {
		if got := c.FailureKey(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := (&tokens.Credential{VerifiedChains: [][]string{{}}}).FailureKey(); got != "" {
		t.Errorf("got %q for an empty chain", got)
	}
}
