package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"usher/app/demo/provider"
	"usher/app/login"
	"usher/internal/fault"
	"usher/internal/secretfile"
)

// The client and the audience of the demo's OpenID Connect provider.
const (
	OIDCClient   = "usher-login"
	oidcAudience = "usher"
	oidcName     = "dev" // of the authority in usher.yaml
	oidcLifetime = time.Hour
)

// The user whom the directory does not have, and the group that gives its role.
const (
	Guest      = "grace"
	guestGroup = "shop-publishers"
)

// FileLogin is the token of the last login at the provider, relative to the folder.
const FileLogin = DirTokens + "/login"

// PathLogin is the path of the page that begins a login.
const PathLogin = "/login"

const (
	loginWithin    = 5 * time.Minute
	maxLogins      = 16 // that wait for a person
	headersWithin  = 5 * time.Second
	requestsWithin = 10 * time.Second
)

// oidcConfig returns the values of usher.yaml for the provider.
func oidcConfig(issuer string) map[string]string {
	return map[string]string{
		"credentials.oidc": "[{name: " + oidcName + ", issuer: \"" + issuer + "\", audiences: [" + oidcAudience + "]}]",
		"identities.rules": "[" +
			"{name: guests, when: [{fact: authority, equals: " + oidcName + "}, {fact: claims.groups, contains: " + guestGroup + "}], " +
			"roles: [{project: " + demoProject + ", role: publisher, topics: [" + demoTopic + "]}]}, " +
			"{name: users, when: [{fact: authority, equals: " + oidcName + "}], user: \"{claims.preferred_username}\"}]",
	}
}

// oidcUsers are those who can log in: users of the directory, and a guest.
func oidcUsers() []provider.User {
	return []provider.User{
		{Name: Publisher},
		{Name: Consumer},
		{Name: ProjectAdmin},
		{Name: Guest, Groups: []string{guestGroup}},
	}
}

// Login is what came of a login at the provider.
type Login struct {
	Subject string
	Token   string
	File    string
	Expires time.Time
}

// loginSite serves the provider, and a page that logs in at it.
type loginSite struct {
	issuer   string
	provider *provider.Provider
	announce func(Login) error
	dir      string
	waiting  chan struct{}
	ctx      context.Context //nolint:containedctx // of the run: a login outlives its request
}

// serveProvider serves the provider of a dev directory until stop is called.
func (d *Run) serveProvider(ctx context.Context) (stop func(), err error) {
	issuer := d.Directory.Provider
	p, err := provider.New(provider.Config{
		Issuer: issuer, ClientID: OIDCClient, Audience: oidcAudience, Users: oidcUsers(),
		Lifetime: oidcLifetime, Now: time.Now, Random: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", strings.TrimPrefix(issuer, "http://"))
	if err != nil {
		return nil, &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("listen for the OpenID Connect provider: %w", err), Hint: "give another --dir"}
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &loginSite{issuer: issuer, provider: p, announce: d.LoggedIn, dir: d.Dir, waiting: make(chan struct{}, maxLogins), ctx: ctx}
	server := &http.Server{Handler: s, ReadHeaderTimeout: headersWithin}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends with stop
	}()
	return func() {
		cancel()
		_ = server.Close()
		<-done
		for range maxLogins { // each login has ended
			s.waiting <- struct{}{}
		}
	}, nil
}

// ServeHTTP implements http.Handler.
func (s *loginSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == PathLogin && "http://"+r.Host == s.issuer {
		s.begin(w, r)
		return
	}
	s.provider.ServeHTTP(w, r)
}

// begin begins a login, as usher login does, and sends the browser to the provider.
func (s *loginSite) begin(w http.ResponseWriter, r *http.Request) {
	select {
	case s.waiting <- struct{}{}:
	default:
		http.Error(w, "too many logins wait; try again later", http.StatusServiceUnavailable)
		return
	}
	page := make(chan string, 1)
	go func() {
		defer func() { <-s.waiting }()
		defer close(page)
		s.logIn(func(p login.Prompt) error {
			page <- p.URL
			return nil
		})
	}()
	if url, ok := <-page; ok {
		http.Redirect(w, r, url, http.StatusSeeOther)
		return
	}
	http.Error(w, "the login could not be started", http.StatusInternalServerError)
}

// logIn waits for a person, and announces the token.
func (s *loginSite) logIn(show func(login.Prompt) error) {
	ctx, cancel := context.WithTimeout(s.ctx, loginWithin)
	defer cancel()
	token, err := login.Config{
		Issuer: s.issuer, ClientID: OIDCClient, Scopes: []string{"openid"}, Kind: login.Access,
		Client: &http.Client{Timeout: requestsWithin}, Now: time.Now, Show: show,
	}.Browser(ctx)
	if err != nil {
		return // nobody logged in; the browser shows why
	}
	file := filepath.Join(s.dir, filepath.FromSlash(FileLogin))
	if err := secretfile.Write(file, []byte(token.Text+"\n")); err != nil {
		return
	}
	_ = s.announce(Login{Subject: token.Subject, Token: token.Text, File: file, Expires: token.Expires}) // standard output itself fails
}

// errNoProvider: the files were made without a provider.
var errNoProvider = errors.New("was created without --oidc")
