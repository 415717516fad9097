package login_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"usher/app/demo/provider"
	"usher/app/login"
	"usher/callout/callouttest"
)

const clientID = "usher-login"

// start starts the provider of usher dev.
func start(t *testing.T) (issuer string) {
	t.Helper()
	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	p, err := provider.New(provider.Config{
		Issuer: s.URL, ClientID: clientID, Audience: "usher", Lifetime: time.Hour, Now: time.Now, Random: rand.Reader,
		Users: []provider.User{{Name: "grace", Groups: []string{"shop"}}, {Name: "ada"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	handler = p
	return s.URL
}

// config logs in as a person does who picks a user on the page.
func config(t *testing.T, issuer, user string) login.Config {
	t.Helper()
	return login.Config{
		Issuer: issuer, ClientID: clientID, Scopes: []string{"openid"}, Kind: login.Access, Client: http.DefaultClient, Now: time.Now,
		Show: func(p login.Prompt) error {
			page, err := url.Parse(p.URL)
			if err != nil {
				return err
			}
			form := page.Query()
			form.Set("user", user)
			page.RawQuery = ""
			go submit(t, page.String(), form)
			return nil
		},
	}
}

// submit submits the form, and follows the browser's way back to the program.
func submit(t *testing.T, page string, form url.Values) {
	t.Helper()
	r, err := http.PostForm(page, form)
	if err != nil {
		t.Errorf("the browser: %v", err)
		return
	}
	defer r.Body.Close() //nolint:errcheck // read only
	if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK {
		t.Errorf("the browser sees %s: %s", r.Status, body)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	issuer := start(t)
	verifier := func(audience string) *oidc.IDTokenVerifier {
		p, err := oidc.NewProvider(t.Context(), issuer)
		if err != nil {
			t.Fatal(err)
		}
		return p.Verifier(&oidc.Config{ClientID: audience})
	}
	for name, flow := range map[string]func(login.Config, context.Context) (login.Token, error){
		"browser": login.Config.Browser, "device": login.Config.Device,
	} {
		for kind, audience := range map[login.Kind]string{login.Access: "usher", login.ID: clientID} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				cfg := config(t, issuer, "grace")
				cfg.Kind = kind
				token, err := flow(cfg, t.Context())
				if err != nil {
					t.Fatal(err)
				}
				verified, err := verifier(audience).Verify(t.Context(), token.Text)
				if err != nil || verified.Subject != "grace" || token.Subject != "grace" || time.Until(token.Expires) < time.Minute {
					t.Fatalf("%+v, %v", verified, err)
				}
				var claims struct{ Groups []string }
				if err := verified.Claims(&claims); err != nil || len(claims.Groups) != 1 || claims.Groups[0] != "shop" {
					t.Errorf("claims %+v, %v", claims, err)
				}
			})
		}
	}
}

// The same with a provider that others have written.
func TestLoginAtZitadel(t *testing.T) {
	t.Parallel()
	p := callouttest.StartOIDCProvider(t, "../../testdata/oidc")
	open := func(prompt login.Prompt) error {
		go func() {
			r, err := http.Get(prompt.URL)
			if err != nil {
				t.Errorf("the browser: %v", err)
				return
			}
			defer r.Body.Close() //nolint:errcheck // read only
			if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK {
				t.Errorf("the browser sees %s: %s", r.Status, body)
			}
		}()
		return nil
	}
	cfg := login.Config{
		Issuer: p.Issuer, ClientID: callouttest.OIDCLoginClient, Scopes: []string{"openid"},
		Kind: login.Access, Client: http.DefaultClient, Now: time.Now, Show: open,
	}
	for name, flow := range map[string]func(login.Config, context.Context) (login.Token, error){
		"browser": login.Config.Browser, "device": login.Config.Device,
	} {
		token, err := flow(cfg, t.Context())
		if err != nil || token.Subject != callouttest.OIDCPerson {
			t.Errorf("%s: %q, %v", name, token.Subject, err)
			continue
		}
		provider, err := oidc.NewProvider(t.Context(), p.Issuer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := provider.Verifier(&oidc.Config{ClientID: callouttest.OIDCAudience}).Verify(t.Context(), token.Text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A page that the provider did not send back does not end the login.
//
// Attack: a web page sends the browser to the callback of usher login, with a code of its own
// Held by: the callback takes only the state of this login; anything else is refused, and the login goes on
func TestCallbackOfAnother(t *testing.T) {
	issuer := start(t)
	cfg := config(t, issuer, "ada")
	login0 := cfg.Show
	cfg.Show = func(p login.Prompt) error {
		u, err := url.Parse(p.URL)
		if err != nil {
			return err
		}
		redirect := u.Query().Get("redirect_uri")
		for _, query := range []string{"", "?code=x", "?code=x&state=y", "?error=access_denied"} {
			r, err := http.Get(redirect + query)
			if err != nil {
				return err
			}
			_ = r.Body.Close()
			if r.StatusCode != http.StatusBadRequest {
				t.Errorf("%q: %s", query, r.Status)
			}
		}
		return login0(p)
	}
	if token, err := cfg.Browser(t.Context()); err != nil || token.Subject != "ada" {
		t.Errorf("%q, %v", token.Subject, err)
	}
}

func TestRefused(t *testing.T) {
	issuer := start(t)
	for name, answer := range map[string]string{"refused": "error=access_denied", "no code": "x=y", "another issuer": "code=x&iss=https%3A%2F%2Felsewhere.example"} {
		cfg := config(t, issuer, "ada")
		cfg.Show = func(p login.Prompt) error {
			u, err := url.Parse(p.URL)
			if err != nil {
				return err
			}
			r, err := http.Get(u.Query().Get("redirect_uri") + "?" + answer + "&state=" + url.QueryEscape(u.Query().Get("state")))
			if err == nil {
				_ = r.Body.Close()
			}
			return err
		}
		if _, err := cfg.Browser(t.Context()); err == nil {
			t.Errorf("%s: logged in", name)
		}
	}
}

func TestIssuer(t *testing.T) {
	for _, issuer := range []string{"", "sso.example.com", "http://sso.example.com", "ftp://127.0.0.1", "http://192.0.2.1"} {
		cfg := login.Config{Issuer: issuer, ClientID: clientID, Client: http.DefaultClient}
		if _, err := cfg.Browser(t.Context()); !errors.Is(err, login.ErrCleartext) {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

// A provider that sends no ID token, or none that is its own, gives none.
func TestNoIDToken(t *testing.T) {
	t.Parallel()
	var issuer string
	var idToken string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 60}
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			answer = map[string]any{"issuer": issuer, "jwks_uri": issuer + "/keys", "token_endpoint": issuer + "/token", "device_authorization_endpoint": issuer + "/device"}
		case "/device":
			answer = map[string]any{"device_code": "d", "user_code": "u", "verification_uri": issuer + "/page", "expires_in": 60, "interval": 1}
		case "/keys":
			answer = map[string]any{"keys": []any{}}
		case "/token":
			if idToken != "" {
				answer["id_token"] = idToken
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer s.Close()
	issuer = s.URL
	cfg := login.Config{
		Issuer: issuer, ClientID: clientID, Client: http.DefaultClient, Now: time.Now, Kind: login.Access,
		Show: func(login.Prompt) error { return nil },
	}
	if token, err := cfg.Device(t.Context()); err != nil || token.Text != "opaque" {
		t.Errorf("an access token: %v", err)
	}
	cfg.Kind = login.ID
	if _, err := cfg.Device(t.Context()); !errors.Is(err, login.ErrNoToken) {
		t.Errorf("no ID token: %v", err)
	}
	idToken = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."
	if _, err := cfg.Device(t.Context()); err == nil || strings.Contains(err.Error(), idToken) {
		t.Errorf("a forged ID token: %v", err)
	}
}
