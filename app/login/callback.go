package login

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	callbackPath  = "/callback"
	headerTimeout = 5 * time.Second
)

// callback receives the browser that comes back from the provider.
type callback struct {
	state  string // which the provider has to send back
	issuer string
	result chan callbackResult
}

type callbackResult struct {
	code string
	err  error
}

func newCallback(state, issuer string) *callback {
	return &callback{state: state, issuer: issuer, result: make(chan callbackResult, 1)}
}

// serve serves until stop is called.
func (b *callback) serve(l net.Listener) (stop func()) {
	server := &http.Server{Handler: b, ReadHeaderTimeout: headerTimeout}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends with stop
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), headerTimeout)
		defer cancel()
		_ = server.Shutdown(ctx) // the page has been written, or nobody reads it
		<-done
	}
}

// ServeHTTP implements http.Handler. A request without the state is none of the provider:
// it is refused, and the login goes on.
func (b *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if r.Method != http.MethodGet || r.URL.Path != callbackPath || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(b.state)) != 1 {
		http.Error(w, "this is not the answer to the login", http.StatusBadRequest)
		return
	}
	result := callbackResult{code: query.Get("code")}
	switch {
	case query.Get("iss") != "" && query.Get("iss") != b.issuer: // RFC 9207
		result.err = fmt.Errorf("another provider answered")
	case query.Get("error") != "":
		result.err = fmt.Errorf("the provider refused: %q", query.Get("error"))
	case result.code == "":
		result.err = fmt.Errorf("the provider sent no code")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "You are logged in. The terminal says more, and you can close this page."
	if result.err != nil {
		w.WriteHeader(http.StatusBadRequest)
		text = "The login failed. The terminal says why."
	}
	_, _ = w.Write([]byte(text + "\n")) // the browser has gone
	select {
	case b.result <- result:
	default: // the browser loads the page again
	}
}

// wait returns the code.
func (b *callback) wait(ctx context.Context) (string, error) {
	select {
	case r := <-b.result:
		return r.code, r.err
	case <-ctx.Done():
		return "", fmt.Errorf("wait for the browser: %w", context.Cause(ctx))
	}
}
