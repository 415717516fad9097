package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/tokens"
	"usher/tokens/oidc"
	"usher/tokens/oidc/keyset"
)

// eventually fails the test unless the condition comes true.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); !condition(); {
		select {
		case <-deadline:
			tb.Fatal("never: " + what)
		case <-tick.C:
		}
	}
}

// run runs the verifier in the background for as long as the test.
func run(tb testing.TB, v *oidc.Verifier) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); v.Run(ctx) }()
	tb.Cleanup(func() { cancel(); <-done })
}

func code(err error) string {
	var r *tokens.Reason
	switch {
	case err == nil:
		return "granted"
	case errors.As(err, &r):
		return r.Code
	case errors.Is(err, tokens.ErrUnavailable):
		return "unavailable"
	default:
		return err.Error()
	}
}

// Whatever is wrong with the provider, its tokens are not denied.
//
// Attack: the provider's address answers with something else
// Held by: no redirect, a bounded body, its type and issuer checked; and no denial while the keys are missing
func TestProviderFaults(t *testing.T) {
	k := newKey(t, "k", "ES256")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("usher followed a redirect") }))
	t.Cleanup(elsewhere.Close)
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	const asJSON = "application/json"
	good := keySet(t, k)
	for _, tt := range []struct {
		name  string
		do    http.HandlerFunc
		error string
	}{
		{"500", answer(http.StatusInternalServerError, asJSON, good), "status 500"},
		{"404", answer(http.StatusNotFound, asJSON, good), "status 404"},
		{"204", answer(http.StatusNoContent, asJSON, ""), "status 204"},
		{"HTML", answer(http.StatusOK, "text/html; charset=utf-8", "<html>"), "text/html"},
		{"keys as a text", answer(http.StatusOK, "text/plain", good), "text/plain"},
		{"garbage", answer(http.StatusOK, asJSON, "garbage"), "not a JSON Web Key Set"},
		{"half of it", answer(http.StatusOK, asJSON, good[:len(good)/2]), "not a JSON Web Key Set"},
		{"something behind it", answer(http.StatusOK, asJSON, good+good), "not a JSON Web Key Set"},
		{"nothing", answer(http.StatusOK, asJSON, ""), "not a JSON Web Key Set"},
		{"no keys", answer(http.StatusOK, asJSON, `{"keys":[]}`), "none of the 0 keys"},
		{"keys twice", answer(http.StatusOK, asJSON, `{"keys":[],"keys":[]}`), "twice"},
		{"101 keys", answer(http.StatusOK, asJSON, `{"keys":[`+strings.Repeat("{},", 100)+`{}]}`), "more than 100 keys"},
		{"secret keys alone", answer(http.StatusOK, asJSON, `{"keys":[{"kty":"oct","k":"AAAA","kid":"k","alg":"HS256"}]}`), "none of the 1 keys"},
		{"a redirect to elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}, "redirect"},
		{"100 MB", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", asJSON)
			w.Header().Set("Content-Length", fmt.Sprint(100<<20))
			for range 100 << 20 / (64 << 10) {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, "larger than"},
		{"100 MB that nobody announced", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", asJSON)
			for range 100 << 20 / (64 << 10) {
				if _, err := w.Write([]byte(strings.Repeat(" ", 64<<10))); err != nil {
					return
				}
			}
		}, "larger than"},
		{"a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, k)
			a := p.authority(t)
			if tt.name == "silence" {
				source := *a.Keys.Source.(*keyset.HTTP)
				client := *source.Client
				client.Timeout = 50 * time.Millisecond
				source.Client, a.Keys.Source = &client, &source
			}
			clock := newClock()
			v := newVerifier(t, clock.Now, a)
			p.set("", tt.do)
			token := bearer(k.token(t, claims(p.URL, nil)))
			_, err := v.Verify(t.Context(), token)
			if code(err) != "unavailable" || !strings.Contains(err.Error(), tt.error) || strings.Contains(err.Error(), token.AuthToken[:20]) {
				t.Errorf("got %v, want …%s…", err, tt.error)
			}
			if s := v.Status(); len(s.Backends) != 1 || s.Backends[0].Up || s.Backends[0].Failures != 1 || !strings.Contains(s.Backends[0].Error, tt.error) {
				t.Errorf("status %+v", s)
			}
			// It is not asked again at once, and nobody waits for it.
			before := p.fetches.Load() // two where net/http has tried again over a new connection
			if _, err := v.Verify(t.Context(), token); code(err) != "unavailable" || v.Slow(token) || p.fetches.Load() != before {
				t.Errorf("again: %v, slow %v, %d fetches", err, v.Slow(token), p.fetches.Load()-before)
			}
			p.set(good, nil)
			clock.advance(10 * time.Second)
			if !v.Slow(token) {
				t.Error("after the cooldown Verify waits")
			}
			if _, err := v.Verify(t.Context(), token); err != nil || v.Slow(token) || !v.Status().Backends[0].Up {
				t.Errorf("after the outage: %v, slow %v", err, v.Slow(token))
			}
		})
	}
}

// The discovery document has to be that of the issuer, and its key set on a safe address.
func TestDiscoveryFaults(t *testing.T) {
	k := newKey(t, "k", "ES256")
	p := newProvider(t, k)
	for name, tt := range map[string]struct{ document, error string }{
		"another issuer":        {`{"issuer":"https://evil.example","jwks_uri":"` + p.URL + `/keys"}`, "evil.example"},
		"no issuer":             {`{"jwks_uri":"` + p.URL + `/keys"}`, "issuer"},
		"no address":            {`{"issuer":"ISSUER"}`, "jwks_uri"},
		"an address in clear":   {`{"issuer":"ISSUER","jwks_uri":"http://id.example/keys"}`, "https"},
		"a file":                {`{"issuer":"ISSUER","jwks_uri":"file:///etc/passwd"}`, "jwks_uri"},
		"an address with users": {`{"issuer":"ISSUER","jwks_uri":"https://u:p@id.example/keys"}`, "jwks_uri"},
		"garbage":               {`garbage`, "discovery"},
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(nil)
			t.Cleanup(web.Close)
			web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, strings.ReplaceAll(tt.document, "ISSUER", web.URL))
			})
			a := p.authority(t)
			source := *a.Keys.Source.(*keyset.HTTP)
			a.Issuer, source.Issuer, a.Keys.Source = web.URL, web.URL, &source
			_, err := newVerifier(t, start, a).Verify(t.Context(), bearer(k.token(t, claims(web.URL, nil))))
			if code(err) != "unavailable" || !strings.Contains(err.Error(), tt.error) {
				t.Errorf("got %v, want …%s…", err, tt.error)
			}
		})
	}
}

// A flood of made-up kids costs one fetch per cooldown. Good tokens are granted at once
// in the meantime.
//
// Attack: tokens with made-up key ids make usher ask the provider again and again
// Held by: one fetch per authority and cooldown, however many tokens want one
func TestFloodOfUnknownKeys(t *testing.T) {
	k := newKey(t, "k", "ES256")
	p := newProvider(t, k)
	clock := newClock()
	v := newVerifier(t, clock.Now, p.authority(t))
	good := bearer(k.token(t, claims(p.URL, nil)))
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	forger := newKey(t, "x", "ES256")
	flood := func(issued time.Duration, want string) {
		t.Helper()
		var all sync.WaitGroup
		for i := range 200 {
			forged := key{fmt.Sprintf("made-up-%d", i), forger.alg, forger.private}
			token := bearer(forged.token(t, claims(p.URL, map[string]any{"iat": clock.Now().Add(-issued).Unix()})))
			all.Go(func() {
				if _, err := v.Verify(context.Background(), token); code(err) != want && code(err) != oidc.CodeKeyUnknown {
					t.Errorf("got %v, want %s", err, want)
				}
				if _, err := v.Verify(context.Background(), good); err != nil || v.Slow(good) {
					t.Errorf("a good token: %v", err)
				}
			})
		}
		all.Wait()
	}
	flood(time.Hour, oidc.CodeKeyUnknown) // they are older than the set, so that is complete for them
	flood(0, "unavailable")               // nobody knows whether the provider has begun to use such keys
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches in the cooldown", n)
	}
	clock.advance(10 * time.Second)
	flood(0, "unavailable")
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("%d fetches after the cooldown", n)
	}
}

// The provider changes its key again and again, and signs with the new one at once.
// Nobody is denied, and everybody gets in.
func TestRotationUnderLoad(t *testing.T) {
	keys := []key{newKey(t, "0", "ES256")}
	p := newProvider(t, keys[0])
	a := p.authority(t)
	a.Keys.Cooldown = 20 * time.Millisecond
	v := newVerifier(t, time.Now, a)
	run(t, v)
	var current atomic.Pointer[key]
	current.Store(&keys[0])
	var granted, silent atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				now := time.Now()
				token := bearer(current.Load().token(t, claims(p.URL, map[string]any{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})))
				for { // a client that gets no answer tries again
					_, err := v.Verify(context.Background(), token)
					if err == nil {
						granted.Add(1)
						break
					}
					if !errors.Is(err, tokens.ErrUnavailable) {
						t.Errorf("denied: %v", err)
						return
					}
					silent.Add(1)
				}
			}
		})
	}
	for i := 1; i <= 8; i++ {
		keys = append(keys, newKey(t, fmt.Sprint(i), "ES256"))
		before := granted.Load()
		p.set(keySet(t, keys...), nil)
		current.Store(&keys[i])
		eventually(t, "clients are granted with the new key", func() bool { return t.Failed() || granted.Load() > before+8 })
	}
	close(stop)
	clients.Wait()
	t.Logf("%d granted, %d without an answer, %d fetches", granted.Load(), silent.Load(), p.fetches.Load())
}

// The keys are fetched before they age, so that nobody waits.
func TestBackgroundRefresh(t *testing.T) {
	old, next := newKey(t, "old", "ES256"), newKey(t, "next", "ES256")
	p := newProvider(t, old)
	a := p.authority(t)
	a.Keys.Refresh = 5 * time.Millisecond
	v := newVerifier(t, time.Now, a)
	run(t, v)
	now := time.Now()
	token := bearer(next.token(t, claims(p.URL, map[string]any{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})))
	eventually(t, "the keys come without a token", func() bool { return v.Status().Caches[0].Entries == 1 })
	p.set(keySet(t, old, next), nil)
	eventually(t, "the new key comes", func() bool { return !v.Slow(token) && v.Status().Caches[0].Entries == 2 })
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}

// The last good keys are used through an outage and a restart, for a bounded time.
func TestKeysOnDisk(t *testing.T) {
	k := newKey(t, "k", "ES256")
	p := newProvider(t, k)
	clock := newClock()
	a := p.authority(t)
	path := filepath.Join(t.TempDir(), "main.json")
	a.Keys.Cache = &keyset.Cache{Path: path, Issuer: p.URL, MaxAge: a.Keys.MaxAge}
	token := bearer(k.token(t, claims(p.URL, map[string]any{"exp": start().Add(72 * time.Hour).Unix()})))
	if _, err := newVerifier(t, clock.Now, a).Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	p.set("", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })

	clock.advance(24 * time.Hour)
	restarted := newVerifier(t, clock.Now, a)
	if _, err := restarted.Verify(t.Context(), token); err != nil || restarted.Slow(token) {
		t.Errorf("after a restart: %v", err)
	}
	clock.advance(time.Second)
	for name, v := range map[string]*oidc.Verifier{"running": restarted, "restarted": newVerifier(t, clock.Now, a)} {
		if _, err := v.Verify(t.Context(), token); code(err) != "unavailable" {
			t.Errorf("too old, %s: %v", name, err)
		}
	}
	clock.advance(-time.Hour)
	other := a
	other.Keys.Cache = &keyset.Cache{Path: path, Issuer: "https://other.example", MaxAge: a.Keys.MaxAge}
	if _, err := newVerifier(t, clock.Now, other).Verify(t.Context(), token); code(err) != "unavailable" {
		t.Errorf("keys of another issuer: %v", err)
	}
	must(t, os.WriteFile(path, []byte(`{"issuer":"`+p.URL+`","fetched":"x"}`), 0o600))
	if _, err := newVerifier(t, clock.Now, a).Verify(t.Context(), token); code(err) != "unavailable" {
		t.Errorf("a broken file: %v", err)
	}
	must(t, os.Chmod(path, 0o666)) // anybody could have written it
	if _, err := newVerifier(t, clock.Now, a).Verify(t.Context(), token); code(err) != "unavailable" {
		t.Errorf("a file that others may write: %v", err)
	}
	// A file that cannot be written costs a line in the status, and nothing else.
	p.set(keySet(t, k), nil)
	a.Keys.Cache = &keyset.Cache{Path: filepath.Join(path, "x"), Issuer: p.URL}
	v := newVerifier(t, clock.Now, a)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	if s := v.Status().Backends[0]; !s.Up || !strings.Contains(s.Error, "disk") {
		t.Errorf("status %+v", s)
	}
}

// Keys in a file need no provider. A change is in force within a second or so, and a
// broken file leaves the last good keys in force.
func TestKeysInFile(t *testing.T) {
	old, next := newKey(t, "old", "ES256"), newKey(t, "next", "ES256")
	path := filepath.Join(t.TempDir(), "keys.json")
	must(t, os.WriteFile(path, []byte(keySet(t, old)), 0o600))
	a := newProvider(t).authority(t)
	a.Issuer = "https://air-gapped.example"
	a.Keys.Source, a.Keys.MaxAge = keyset.File{Path: path}, 0
	v := newVerifier(t, time.Now, a)
	run(t, v)
	now := time.Now()
	fresh := func(k key) *tokens.Credential {
		return bearer(k.token(t, claims(a.Issuer, map[string]any{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})))
	}
	eventually(t, "the file is read", func() bool { return !v.Slow(fresh(old)) })
	if _, err := v.Verify(t.Context(), fresh(old)); err != nil {
		t.Error(err)
	}
	must(t, os.WriteFile(path, []byte("garbage"), 0o600))
	eventually(t, "the fault shows", func() bool { return !v.Status().Backends[0].Up })
	if _, err := v.Verify(t.Context(), fresh(old)); err != nil {
		t.Errorf("after a broken change: %v", err)
	}
	must(t, os.WriteFile(path, []byte(keySet(t, old, next)), 0o600))
	eventually(t, "the change is in force", func() bool { return v.Status().Caches[0].Entries == 2 })
	if _, err := v.Verify(t.Context(), fresh(next)); err != nil {
		t.Error(err)
	}
}

// A key set that needs a bearer token gets the one that is in the file now, as the API
// server of Kubernetes does.
func TestBearerToken(t *testing.T) {
	k := newKey(t, "k", "RS256")
	p := newProvider(t, k)
	file := filepath.Join(t.TempDir(), "token")
	var want atomic.Pointer[string]
	p.set("", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+*want.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		fmt.Fprint(w, keySet(t, k))
	})
	a := p.authority(t)
	source := *a.Keys.Source.(*keyset.HTTP)
	source.URL, source.TokenFile, a.Keys.Source = p.URL+"/keys", file, &source
	clock := newClock()
	token := bearer(k.token(t, claims(p.URL, nil)))
	for _, text := range []string{"first", "second"} {
		want.Store(&text)
		must(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
		if _, err := newVerifier(t, clock.Now, a).Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for name, content := range map[string]string{"empty": "", "two lines": "a\nb", "too large": strings.Repeat("a", 20<<10)} {
		must(t, os.WriteFile(file, []byte(content), 0o600))
		if _, err := newVerifier(t, clock.Now, a).Verify(t.Context(), token); code(err) != "unavailable" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever waits for keys waits no longer than its request, and the fetch goes on for the
// next.
func TestWaitEndsWithRequest(t *testing.T) {
	k := newKey(t, "k", "ES256")
	p := newProvider(t, k)
	release := make(chan struct{})
	good := keySet(t, k)
	p.set("", func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, good)
	})
	v := newVerifier(t, start, p.authority(t))
	token := bearer(k.token(t, claims(p.URL, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { _, err := v.Verify(ctx, token); result <- err }()
	eventually(t, "it waits", func() bool { return v.Status().Backends[0].Waiting == 1 && p.fetches.Load() == 1 })
	cancel()
	if err := <-result; code(err) != "unavailable" || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	if _, err := v.Verify(t.Context(), token); err != nil || p.fetches.Load() != 1 {
		t.Errorf("%v, %d fetches", err, p.fetches.Load())
	}
}
