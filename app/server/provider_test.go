package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/login"
	"usher/app/server"
	"usher/callout/callouttest"
)

// startWithProvider starts a nats-server and an usher that accepts the tokens of a provider.
func startWithProvider(t *testing.T, p *callouttest.OIDCProvider) (url string, log *callouttest.Buffer) {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true})
	cfg, err := config.Load(apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, true, keys), map[string]string{
		"credentials.oidc": "[{name: zitadel, issuer: \"" + p.Issuer + "\", audiences: [" + callouttest.OIDCAudience + "], require_typ: false, keys: {cooldown: 1s}}]",
		"identities.rules": "[{name: services, when: [{fact: claims.sub, equals: " + callouttest.OIDCServiceClient + "}], roles: [{project: shop, role: publisher, topics: [orders]}]}, " +
			"{name: people, when: [{fact: authority, equals: zitadel}, {fact: claims.groups, contains: shop}], roles: [{project: shop, role: publisher, topics: [\"*\"]}]}]",
	}))
	callouttest.Must(t, err)
	log = &callouttest.Buffer{}
	in, err := server.New(cfg, log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- in.Serve(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v\n%s", err, log.String())
		}
	})
	<-ready
	return srv.URL(), log
}

// personToken is the token of a person, by a flow with a browser.
func personToken(t *testing.T, p *callouttest.OIDCProvider, flow func(login.Config, context.Context) (login.Token, error)) string {
	t.Helper()
	token, err := flow(login.Config{
		Issuer: p.Issuer, ClientID: callouttest.OIDCLoginClient, Scopes: []string{"openid"}, Kind: login.Access, Client: http.DefaultClient, Now: time.Now,
		Show: func(prompt login.Prompt) error {
			go func() {
				if r, err := http.Get(prompt.URL); err == nil {
					_ = r.Body.Close()
				}
			}()
			return nil
		},
	}, t.Context())
	callouttest.Must(t, err)
	return token.Text
}

// Tokens of the real flows of a provider that others have written are accepted, each with
// what its claims give.
func TestProvider(t *testing.T) {
	t.Parallel()
	p := callouttest.StartOIDCProvider(t, "../../testdata/oidc")
	url, log := startWithProvider(t, p)
	for flow, token := range map[string]string{
		"client credentials": p.ServiceToken(t),
		"authorization code": personToken(t, p, login.Config.Browser),
		"device":             personToken(t, p, login.Config.Device),
	} {
		var refused atomic.Int32
		nc := apptest.Connected(t, url, nats.Token(token), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { refused.Add(1) }))
		for _, subject := range []string{"shop.orders", "shop.returns", "lab.orders"} {
			callouttest.Must(t, nc.Publish(subject, nil))
		}
		callouttest.Must(t, nc.FlushTimeout(20*time.Second))
		want := int32(1) // the groups of a person give every topic of shop
		if flow == "client credentials" {
			want = 2
		}
		callouttest.Eventually(t, "violations of "+flow, func() bool { return refused.Load() == want })
		if strings.Contains(log.String(), token) {
			t.Errorf("%s: the log has the token", flow)
		}
	}
}

// While the provider changes its keys, nobody is denied. A token of a key that it has
// withdrawn is.
func TestProviderRotates(t *testing.T) {
	t.Parallel()
	p := callouttest.StartOIDCProvider(t, "../../testdata/oidc")
	url, log := startWithProvider(t, p)
	const rotations = 4
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var granted [rotations + 1]atomic.Int32 // by the number of rotations before
	var rotated atomic.Int32
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				n, token := rotated.Load(), p.ServiceToken(t)
				// A client that is not answered tries again. nats-server tells it the same as
				// one that is denied; the audit knows the difference.
				for ctx.Err() == nil {
					nc, err := nats.Connect(url, nats.Token(token), nats.Timeout(10*time.Second))
					if err == nil {
						nc.Close()
						granted[n].Add(1)
						break
					}
				}
			}
		})
	}
	for n := range rotations + 1 {
		callouttest.Eventually(t, "clients with tokens of the newest key connect", func() bool { return granted[n].Load() >= 4 })
		if n < rotations {
			p.Rotate(t)
			rotated.Add(1)
		}
	}
	stop()
	clients.Wait()
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, `"outcome":"denied"`) {
			t.Errorf("denied: %s", line)
		}
	}

	withdrawn := p.ServiceToken(t)
	p.Rotate(t)
	p.DropOldKeys(t)
	callouttest.Eventually(t, "usher has the new key", func() bool {
		nc, err := nats.Connect(url, nats.Token(p.ServiceToken(t)), nats.Timeout(10*time.Second))
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	callouttest.Eventually(t, "a token of the withdrawn key is denied", func() bool {
		nc, err := nats.Connect(url, nats.Token(withdrawn), nats.Timeout(10*time.Second))
		if err == nil {
			nc.Close()
			t.Error("it is accepted")
		}
		return strings.Contains(log.String(), `"code":"oidc_key_unknown"`)
	})
}
