package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"usher/app/assembly"
	"usher/callout"
	"usher/tokens"
)

// TestLogVerifiers: one line when a backend stops being ready, one when it is ready again.
func TestLogVerifiers(t *testing.T) {
	v := &observable{status: tokens.Status{Backends: []tokens.BackendStatus{{Name: "keys", Up: true}}}}
	var log bytes.Buffer
	srv := &Server{
		log:   slog.New(slog.NewTextHandler(&log, nil)),
		Parts: &assembly.Parts{Decider: &callout.Decider{Chain: tokens.Chain{v}}},
	}
	down := map[[2]string]bool{}
	for _, tt := range []struct {
		name   string
		status tokens.BackendStatus
		want   string
	}{
		{"at first", tokens.BackendStatus{Up: true}, ""},
		{"down", tokens.BackendStatus{Error: "no such file"}, `level=WARN msg="verifier is not ready; its credentials are not decided" verifier=oidc:corp backend=keys error="no such file"`},
		{"still down", tokens.BackendStatus{Error: "another"}, ""},
		{"up", tokens.BackendStatus{Up: true}, `level=INFO msg="verifier is ready again" verifier=oidc:corp backend=keys`},
		{"its breaker is open", tokens.BackendStatus{Up: true, Open: true, Error: "500"}, "level=WARN"},
	} {
		log.Reset()
		tt.status.Name = "keys"
		v.status.Backends[0] = tt.status
		srv.logVerifiers(t.Context(), down)
		if got := log.String(); (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, expected %s", tt.name, got, tt.want)
		}
	}
}
