package callouttest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// OIDCProvider is the OpenID Connect provider of testdata/oidc, as a process.
type OIDCProvider struct{ Issuer string }

// The clients of the provider, the user who logs in, and the audience of access tokens.
const (
	OIDCLoginClient   = "usher-login" // a program of a person, without a secret
	OIDCServiceClient = "billing"     // logs in with OIDCServiceSecret
	OIDCServiceSecret = "not-a-secret-of-anybody"
	OIDCPerson        = "grace"
	OIDCAudience      = "usher"
)

// StartOIDCProvider builds the provider of testdata/oidc and starts it. module is the path
// of that folder. It stops when the test ends.
func StartOIDCProvider(tb testing.TB, module string) *OIDCProvider {
	tb.Helper()
	program := BuildIn(tb, module, "oidc", ".")
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), program)
	var log Buffer
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe()
	Must(tb, err)
	stdout, err := cmd.StdoutPipe()
	Must(tb, err)
	Must(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = stdin.Close() // it stops
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		tb.Fatalf("the provider: %v\n%s", err, log.String())
	}
	p := &OIDCProvider{}
	Must(tb, json.Unmarshal(line, p))
	return p
}

// Rotate makes a new signing key. The ones before stay in the key set.
func (p *OIDCProvider) Rotate(tb testing.TB) {
	tb.Helper()
	p.post(tb, "/test/rotate", nil, "", "")
}

// DropOldKeys leaves only the newest key in the key set.
func (p *OIDCProvider) DropOldKeys(tb testing.TB) {
	tb.Helper()
	p.post(tb, "/test/drop-old-keys", nil, "", "")
}

// ServiceToken returns an access token by the client credentials flow.
func (p *OIDCProvider) ServiceToken(tb testing.TB) string {
	tb.Helper()
	body := p.post(tb, "/oauth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}, OIDCServiceClient, OIDCServiceSecret)
	var answer struct {
		Token string `json:"access_token"`
	}
	Must(tb, json.Unmarshal(body, &answer))
	return answer.Token
}

// LogoutToken ends the session of a user, and returns the logout token. claims replace those
// of the token; an empty one removes it.
func (p *OIDCProvider) LogoutToken(tb testing.TB, sub string, claims map[string]string) string {
	tb.Helper()
	form := url.Values{"sub": {sub}}
	for name, value := range claims {
		form.Set(name, value)
	}
	return string(p.post(tb, "/test/logout", form, "", ""))
}

func (p *OIDCProvider) post(tb testing.TB, path string, form url.Values, user, password string) []byte {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, p.Issuer+path, strings.NewReader(form.Encode()))
	Must(tb, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	answer, err := http.DefaultClient.Do(r)
	Must(tb, err)
	defer answer.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(answer.Body)
	Must(tb, err)
	if answer.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %s\n%s", path, answer.Status, body)
	}
	return body
}
