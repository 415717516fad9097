// Command oidc is a real OpenID Connect provider for usher's tests: the provider library
// of Zitadel with a store in memory. Its login page asks nobody anything: it logs in grace,
// or the user that the login hint as:NAME names.
//
// It prints {"issuer": "http://127.0.0.1:PORT"}, and serves until its input ends.
// POST /test/rotate makes a new signing key; those before stay in the key set.
// POST /test/drop-old-keys leaves only the newest in it.
// POST /test/logout ends the session of the user sub, and returns its logout token.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oidc:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + l.Addr().String()
	s, err := newStore()
	if err != nil {
		return err
	}
	handler, err := routes(issuer, s)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	if err := json.NewEncoder(out).Encode(map[string]string{"issuer": issuer}); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, in) // the test has ended
		_ = server.Shutdown(context.Background())
	}()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// routes joins the provider, its login page and what tests ask for.
func routes(issuer string, s *store) (http.Handler, error) {
	cfg := &op.Config{
		CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true,
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: 5 * time.Minute, PollInterval: time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20,
		},
	}
	if _, err := rand.Read(cfg.CryptoKey[:]); err != nil {
		return nil, err
	}
	provider, err := op.NewProvider(cfg, s, op.StaticIssuer(issuer), op.WithAllowInsecure(),
		op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	callback := op.AuthCallbackURL(provider)
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("id")
		if err := s.logIn(id); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, callback(op.ContextWithIssuer(r.Context(), issuer), id), http.StatusFound)
	})
	mux.HandleFunc("GET /device", func(w http.ResponseWriter, r *http.Request) {
		if err := s.approveDevice(r.FormValue("user_code")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("POST /test/rotate", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.rotate(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /test/drop-old-keys", func(http.ResponseWriter, *http.Request) { s.dropOldKeys() })
	mux.HandleFunc("POST /test/logout", func(w http.ResponseWriter, r *http.Request) {
		token, err := s.logoutToken(issuer, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, token)
	})
	return mux, nil
}
