package assembly

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"usher/tokens"
)

// A cluster by TokenReview, with files of its own and without.
func TestTokenReviewVerifier(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer reviewer" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":true,"audiences":["nats"],"user":{"username":"system:serviceaccount:shop:web"}}}`)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "token"), "reviewer")
	write(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	const head = "  kubernetes:\n  - {name: cluster, mode: token_review, audiences: [nats]"
	chain, err := chainOf(t, dir, head+", review: {url: '"+server.URL+"', ca_file: ca.pem, token_file: token}}\n")
	if err != nil {
		t.Fatal(err)
	}
	token := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + ".e30.c2ln"
	id, by, err := chain.Verify(context.WithoutCancel(t.Context()), &tokens.Credential{AuthToken: token}, nil)
	if err != nil || by != "kubernetes:cluster" || id.ID != "system:serviceaccount:shop:web" || id.Authority != "cluster" {
		t.Errorf("by %q: %+v, %v", by, id, err)
	}
	if _, err := chainOf(t, dir, head+"}\n"); err == nil || !strings.Contains(err.Error(), "kubernetes cluster: review.token_file: cannot be read") {
		t.Errorf("outside of a cluster: %v", err)
	}
}
