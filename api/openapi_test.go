package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"usher/api"
	"usher/callout/callouttest"
)

// Document, table and router have the same routes.
func TestOpenAPIRoutes(t *testing.T) {
	s := start(t, nil, nil)
	var doc struct {
		Paths      map[string]map[string]struct{ OperationID string }
		Components struct{ Schemas map[string]any }
	}
	text := s.as("", "GET", "/v1/openapi.json", "").text
	callouttest.Must(t, json.Unmarshal([]byte(text), &doc))
	var described, served, listed []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			described = append(described, strings.ToUpper(method)+" "+path+" "+op.OperationID)
		}
	}
	names := map[string]string{}
	for _, r := range api.Routes() {
		listed = append(listed, r.Method+" "+r.Path+" "+r.Name)
		names[r.Method+" "+r.Path] = r.Name
	}
	mux, ok := s.http.Config.Handler.(chi.Routes)
	if !ok {
		t.Fatal("the API is not a router")
	}
	callouttest.Must(t, chi.Walk(mux, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served = append(served, method+" "+path+" "+names[method+" "+path])
		return nil
	}))
	for _, r := range api.X509Routes() { // of the other listener
		served, listed = append(served, r.Method+" "+r.Path+" "+r.Name), append(listed, r.Method+" "+r.Path+" "+r.Name)
	}
	for _, list := range [][]string{described, served, listed} {
		slices.Sort(list)
	}
	if !slices.Equal(described, listed) || !slices.Equal(served, listed) {
		t.Errorf("listed    %q\ndescribed %q\nserved    %q", listed, described, served)
	}
	for i, part := range strings.Split(text, `"#/components/schemas/`) {
		if name, _, _ := strings.Cut(part, `"`); i > 0 && doc.Components.Schemas[name] == nil {
			t.Errorf("there is no schema %q", name)
		}
	}
}
