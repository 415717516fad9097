package server_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/login"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// providers is an usher that accepts the tokens of two providers.
type providers struct {
	apptest.Site
	srv        *server.Server
	log        *callouttest.Buffer
	one, other *callouttest.OIDCProvider
}

func startProviders(t *testing.T, bucket bool) *providers {
	t.Helper()
	p := &providers{
		one:   callouttest.StartOIDCProvider(t, "../../testdata/oidc"),
		other: callouttest.StartOIDCProvider(t, "../../testdata/oidc"),
	}
	authority := func(name string, of *callouttest.OIDCProvider) string {
		return "{name: " + name + ", issuer: \"" + of.Issuer + "\", audiences: [" + callouttest.OIDCAudience + "], require_typ: false, " +
			"backchannel_logout: true, logout_audiences: [" + callouttest.OIDCLoginClient + "]}"
	}
	p.Site = apptest.NewSite(t, func(o *setup.Options) {
		o.KV = bucket
		o.Config["api.listen"] = "127.0.0.1:0"
		o.Config["credentials.oidc"] = "[" + authority("one", p.one) + ", " + authority("other", p.other) + "]"
		o.Config["identities.rules"] = "[{name: services, when: [{fact: claims.sub, equals: " + callouttest.OIDCServiceClient + "}], user: alice}, " +
			"{name: people, when: [{fact: claims.groups, contains: shop}], roles: [{project: shop, role: publisher, topics: [\"*\"]}]}]"
	})
	if !bucket {
		p.Write(t, setup.FileDirectory, callouttest.WithDigests(fileDirectory))
	}
	p.NatsServer(t)
	p.srv, p.log = startReplica(t, p.Site, func(cfg *config.Config) { cfg.HTTP.Listen, cfg.Audit = "", config.Audit{To: "stderr"} })
	if bucket {
		user, shop := directory.IDOf(directory.KindUser, "alice"), directory.IDOf(directory.KindProject, "shop")
		_, err := p.srv.Bucket().Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
			return []directory.Entry{
				{Key: directory.UserKey(user), Value: &directory.User{Name: "alice"}},
				{Key: directory.ProjectKey(shop), Value: &directory.Project{Name: "shop", Account: "APP"}},
				{Key: directory.MemberKey(shop, user), Value: &directory.Member{Roles: []directory.Role{directory.RolePublisher}}},
			}, nil
		})
		callouttest.Must(t, err)
	}
	return p
}

// logOut presents a logout token.
func (p *providers) logOut(t *testing.T, token string) int {
	t.Helper()
	r, err := http.PostForm(p.srv.APIURL()+"/v1/logout", url.Values{"logout_token": {token}})
	callouttest.Must(t, err)
	callouttest.Must(t, r.Body.Close())
	return r.StatusCode
}

func (p *providers) connect(t *testing.T, token string) *nats.Conn {
	t.Helper()
	return apptest.Connected(t, p.URL, nats.Token(token), nats.NoReconnect())
}

// refused fails unless a token is refused because of a ban.
func (p *providers) refused(t *testing.T, token string) {
	t.Helper()
	before := strings.Count(p.log.String(), `"code":"banned"`)
	callouttest.Eventually(t, "the token is refused", func() bool {
		nc, err := nats.Connect(p.URL, nats.Token(token))
		if err == nil {
			nc.Close()
			t.Error("a token of before the logout is good")
		}
		return strings.Count(p.log.String(), `"code":"banned"`) > before
	})
}

// newToken returns a token of after a logout: times in tokens are whole seconds.
func (p *providers) newToken(t *testing.T) (nc *nats.Conn) {
	t.Helper()
	callouttest.Eventually(t, "a new token is good", func() bool {
		var err error
		nc, err = nats.Connect(p.URL, nats.Token(p.one.ServiceToken(t)), nats.NoReconnect())
		return err == nil
	})
	t.Cleanup(nc.Close)
	return nc
}

// A logout closes the sessions of who has logged out and nobody else's, refuses the tokens of
// before, and not those of later; over a bucket and over a file.
//
// Attack: somebody keeps others out with a logout token that was used before
// Held by: a logout is about tokens that were issued before it, whenever it arrives
//
// Attack: an authority logs out the subject of another one
// Held by: a logout is about identities of the authority that has signed it
func TestLogout(t *testing.T) {
	t.Parallel()
	for name, bucket := range map[string]bool{"bucket": true, "file": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProviders(t, bucket)
			service, person := p.one.ServiceToken(t), personToken(t, p.one, login.Config.Browser)
			elsewhere := p.connect(t, p.other.ServiceToken(t))
			mapped, phone := p.connect(t, service), p.connect(t, person)

			good := func(claims map[string]string) string { return p.one.LogoutToken(t, callouttest.OIDCPerson, claims) }
			payload := strings.Split(good(nil), ".")[1]
			for attack, token := range map[string]string{
				"no signature":    base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + payload + ".",
				"wrong audience":  good(map[string]string{"aud": "shop"}),
				"an access token": person,
				"a nonce":         good(map[string]string{"nonce": "n"}),
				"no event":        good(map[string]string{"events": ""}),
				"another issuer":  good(map[string]string{"iss": p.other.Issuer}),
				"oversized":       good(map[string]string{"x": strings.Repeat("x", 20_000)}),
			} {
				if code := p.logOut(t, token); code != http.StatusBadRequest {
					t.Errorf("%s: %d", attack, code)
				}
			}
			laptop := p.connect(t, personToken(t, p.one, login.Config.Browser)) // with another sid
			alive := func(what string, nc *nats.Conn) {
				t.Helper()
				if err := nc.Flush(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}

			first := p.one.LogoutToken(t, callouttest.OIDCServiceClient, nil)
			if code := p.logOut(t, first); code != http.StatusOK {
				t.Fatalf("logout: %d\n%s", code, p.log)
			}
			callouttest.Eventually(t, "the session is closed", func() bool { return !mapped.IsConnected() })
			p.refused(t, service)
			again := p.newToken(t)
			bans := p.srv.Parts.Store.Snapshot().Bans()
			if code := p.logOut(t, first); code != http.StatusOK || p.srv.Parts.Store.Snapshot().Bans() != bans || bans.Len() != 1 {
				t.Errorf("the same logout again: %d, %d bans", code, bans.Len())
			}
			p.newToken(t)
			alive("the new session, after a replay", again)
			alive("the same sub at another authority", elsewhere)

			if code := p.logOut(t, good(map[string]string{"sid": "session-0"})); code != http.StatusOK {
				t.Errorf("logout of a session: %d", code)
			}
			callouttest.Eventually(t, "the session of the sid is closed", func() bool { return !phone.IsConnected() })
			p.refused(t, person)
			alive("another session of the person", laptop)
			if !bucket { // what is held is kept over a reload
				p.Edit(t, setup.FileDirectory, "{name: orders, acl: [alice]}", "{name: orders, acl: [alice]}, {name: returns}")
				callouttest.Eventually(t, "the file is loaded", func() bool {
					s := p.srv.Parts.Store.Snapshot()
					_, ok := s.Topic("shop", "returns")
					return ok && s.Bans().Len() == 2
				})
				p.refused(t, person)
			}
			for _, secret := range []string{first, service, person} {
				if strings.Contains(p.log.String(), secret) {
					t.Error("the log has a token")
				}
			}
			if !strings.Contains(p.log.String(), `"action":"session.logout"`) {
				t.Errorf("the audit has no logout:\n%s", p.log)
			}
		})
	}
}
