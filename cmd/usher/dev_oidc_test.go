package main

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/app/demo"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// hiddenField is a field of the provider's form that the browser sends as it is.
var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// logInAs does what a person does in a browser: opens the page, picks a user, and follows
// the way back to the program that asked.
func logInAs(t *testing.T, page, user string) {
	t.Helper()
	get := func(answer *http.Response, err error) (*url.URL, string) {
		callouttest.Must(t, err)
		defer answer.Body.Close() //nolint:errcheck // read only
		body, err := io.ReadAll(answer.Body)
		callouttest.Must(t, err)
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("the browser sees %s: %s", answer.Status, body)
		}
		return answer.Request.URL, string(body)
	}
	at, body := get(http.Get(page)) //nolint:bodyclose // get closes it
	form := url.Values{"user": {user}}
	for _, field := range hiddenField.FindAllStringSubmatch(body, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	at.RawQuery = ""
	get(http.PostForm(at.String(), form)) //nolint:bodyclose // get closes it
}

// Whoever logs in at the provider of usher dev --oidc gets a token that usher accepts: as a
// user of the directory, or with the role of a group.
func TestDevOIDC(t *testing.T) {
	t.Parallel()
	p, a := startDev(t, "--oidc", "--listen", "127.0.0.1:0")
	for i, user := range []string{"grace", "webshop"} {
		logInAs(t, a.Issuer+"/login", user)
		callouttest.Eventually(t, "the login is announced", func() bool { return strings.Count(p.stdout.String(), "\n") == i+2 })
		var login struct {
			Subject string `json:"subject"`
			Token   string `json:"token"`
			File    string `json:"token_file"`
		}
		lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
		callouttest.Must(t, json.Unmarshal([]byte(lines[i+1]), &login))
		if written, err := os.ReadFile(login.File); err != nil || string(written) != login.Token+"\n" || login.Subject != user {
			t.Errorf("%s: subject %q, file %v", user, login.Subject, err)
		}
		c := connectDev(t, &a, login.Token)
		if !c.publishes(t, "shop.orders") || c.publishes(t, "shop.returns") {
			t.Errorf("%s: may not publish to shop.orders, or may to shop.returns", user)
		}
	}
	// The same with usher login.
	file := filepath.Join(t.TempDir(), "token")
	login := startIn(t, t.TempDir(), "usher", "login", "--issuer", a.Issuer, "--client-id", "usher-login", "--token-file", file)
	open := regexp.MustCompile(`(?m)^    (http://\S+)$`)
	callouttest.Eventually(t, "usher login shows a page", func() bool { return open.MatchString(login.stderr.String()) })
	logInAs(t, open.FindStringSubmatch(login.stderr.String())[1], "shopadmin")
	callouttest.Eventually(t, "usher login ends", login.ended)
	token, err := os.ReadFile(file)
	callouttest.Must(t, err)
	if c := connectDev(t, &a, strings.TrimSpace(string(token))); !c.publishes(t, "shop.returns") {
		t.Error("the project admin may not publish in the project")
	}
	if log := p.stderr.String(); strings.Contains(log, strings.TrimSpace(string(token))) {
		t.Error("the log has a token")
	}
}

// A directory of usher dev without a provider does not get one.
func TestDevOIDCOfAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	callouttest.Must(t, os.Chmod(dir, 0o700))
	_, err := demo.Prepare(dir, demo.Options{Listen: "127.0.0.1:0"})
	callouttest.Must(t, err)
	p := startIn(t, t.TempDir(), "usher", "dev", "--oidc", "--dir", dir)
	if code := p.wait(t); code != cmdutil.ExitConfig {
		t.Errorf("exit code %d", code)
	}
	if text := p.stderr.String(); !strings.Contains(text, "was created without --oidc") || !strings.Contains(text, "usher: hint: omit --oidc") {
		t.Error(text)
	}
}
