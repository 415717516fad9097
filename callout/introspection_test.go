package callout_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/permissions/mapping"
	"usher/tokens"
	tokenbackend "usher/tokens/backend"
	"usher/tokens/introspection"
)

// introspectionEndpoint is the endpoint of an authorization server that knows one token.
type introspectionEndpoint struct {
	calls atomic.Int32
	down  atomic.Bool
}

const opaqueToken = "at_2YotnFZFEjr1zCsicMWpAA"

func (e *introspectionEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.calls.Add(1)
	if e.down.Load() {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, password, _ := r.BasicAuth(); password != "hush" || r.FormValue("token") != opaqueToken {
		_, _ = io.WriteString(w, `{"active":false}`)
		return
	}
	_, _ = fmt.Fprintf(w, `{"active":true,"sub":"shop-web","aud":"nats","exp":%d}`, time.Now().Add(time.Hour).Unix())
}

// newIntrospection starts the endpoint and returns a verifier that asks it.
func newIntrospection(t *testing.T) (*introspectionEndpoint, *introspection.Verifier) {
	t.Helper()
	e := &introspectionEndpoint{}
	server := httptest.NewTLSServer(e)
	t.Cleanup(server.Close)
	folder := t.TempDir()
	secret, ca := filepath.Join(folder, "secret"), filepath.Join(folder, "ca.pem")
	callouttest.Must(t, os.WriteFile(secret, []byte("hush"), 0o600))
	callouttest.Must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	v, err := introspection.NewVerifier(introspection.Config{
		Name: "main", Authority: "main", URL: server.URL,
		Authentication: introspection.Authentication{Method: introspection.MethodBasic, ClientID: "usher", ClientSecretFile: secret},
		HTTP:           tokenbackend.HTTPConfig{CAFile: ca, Timeout: testTimeout},
		Backend:        tokenbackend.Config{MaxAge: time.Minute, RefusalAge: time.Minute, Timeout: testTimeout},
		Form:           introspection.Form{Prefix: "at_"},
		Rules:          introspection.Rules{Audiences: []string{"nats"}},
		Now:            time.Now,
	})
	callouttest.Must(t, err)
	return e, v
}

// Clients of an authorization server connect to a real server with opaque tokens: many with
// one token are one call, another token is denied, and an endpoint that is down is silence.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed %t", sealed), func(t *testing.T) {
			e, v := newIntrospection(t)
			rules, problems := mapping.New(mapping.Config{Match: "first", Rules: []mapping.Rule{{
				Name: "services", When: []mapping.Condition{{Fact: "authority", Equals: "main"}, {Fact: "claims.sub", Glob: "shop-*"}},
				Roles: []mapping.Role{{Project: "shop", Role: directory.RolePublisher, Topics: []string{"orders"}}},
			}}})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			keys := callouttest.NewKeys(t)
			srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed})
			s := callouttest.StartService(t, callouttest.ServiceConfig{
				URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, sealed, keys),
				Directory: "projects: [{name: shop, account: APP, topics: [{name: orders}]}]",
				Verifiers: []tokens.Verifier{v}, Identities: rules,
				Waiters: 400, // of which one host has a part
			})
			var all sync.WaitGroup
			for i := range 20 {
				url := srv.URL()
				if i%2 == 1 {
					url = srv.WebSocketURL()
				}
				all.Go(func() {
					nc, err := nats.Connect(url, nats.Token(opaqueToken), nats.Timeout(testTimeout), ignoreErrors())
					if err != nil {
						t.Errorf("%s: %v", url, err)
						return
					}
					nc.Close()
				})
			}
			all.Wait()
			if n := e.calls.Load(); n != 1 {
				t.Errorf("%d calls for 20 clients with one token", n)
			}
			if ev := s.WaitEvent(t, "granted"); ev.Text("method") != "introspection" {
				t.Errorf("audit: %v", ev)
			}
			if nc, err := nats.Connect(srv.URL(), nats.Token("at_revoked"), nats.Timeout(testTimeout), ignoreErrors()); err == nil {
				nc.Close()
				t.Error("a token that is not active connects")
			}
			s.WaitEvent(t, introspection.CodeInactive)

			e.down.Store(true)
			if nc, err := nats.Connect(srv.URL(), nats.Token("at_another"), nats.Timeout(testTimeout), ignoreErrors()); err == nil {
				nc.Close()
				t.Error("a token connects that nobody could verify")
			}
			s.WaitEvent(t, "verifier_unavailable")
			nc, err := nats.Connect(srv.URL(), nats.Token(opaqueToken), nats.Timeout(testTimeout)) // its answer is kept
			if err != nil {
				t.Fatal(err)
			}
			nc.Close()
		})
	}
}
