package api_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"usher/api"
	"usher/callout/callouttest"
)

// The document is valid OpenAPI, and requests and responses match it.
func TestOpenAPIValid(t *testing.T) {
	s := start(t, nil, nil)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(s.as("", "GET", "/v1/openapi.json", "").text))
	callouttest.Must(t, err)
	callouttest.Must(t, doc.Validate(t.Context()))
	for _, tt := range []struct{ method, path, body string }{
		{"GET", "/v1/status", ""},
		{"GET", "/v1/version", ""},
		{"GET", "/v1/projects", ""},
		{"GET", "/v1/projects/shop", ""},
		{"GET", "/v1/projects/none", ""},
		{"POST", "/v1/projects/new", `{"description":"d"}`},
		{"GET", "/v1/projects/shop/members", ""},
		{"GET", "/v1/projects/shop/members/pub", ""},
		{"POST", "/v1/projects/shop/members/new", `{"projects":[{"project":"shop","roles":["consumer"]}]}`},
		{"POST", "/v1/projects/shop/members/nobody:add", `{"roles":["consumer"]}`},
		{"POST", "/v1/projects/shop/members/nobody:remove", ""},
		{"GET", "/v1/projects/shop/topics", ""},
		{"GET", "/v1/projects/shop/topics/orders", ""},
		{"GET", "/v1/projects/shop/topics/orders:acl", ""},
		{"GET", "/v1/projects/shop/topics/orders/subscriptions", ""},
		{"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":[]}`},
		{"GET", "/v1/projects/shop/subscriptions", ""},
		{"PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"projects/shop/topics/orders","pushConfig":{"pushEndpoint":"https://h.example"}}`},
		{"GET", "/v1/users", ""},
		{"GET", "/v1/users/profile", ""},
		{"POST", "/v1/users/ada", `{"email":"e"}`},
		{"POST", "/v1/users/ada:refreshToken", ""},
		{"POST", "/v1/users/ada/keys", `{"name":"k","expires_in":"1h"}`},
		{"GET", "/v1/users/ada/keys", ""},
		{"DELETE", "/v1/users/ada", ""},
		{"DELETE", "/v1/users/ada", ""},
	} {
		got := s.as("root", tt.method, tt.path, tt.body)
		req, err := http.NewRequestWithContext(t.Context(), tt.method, tt.path, bytes.NewBufferString(tt.body))
		callouttest.Must(t, err)
		if tt.body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		route, vars := find(doc, tt.method, tt.path)
		if route == nil {
			t.Errorf("%s %s is not in the document", tt.method, tt.path)
			continue
		}
		in := &openapi3filter.RequestValidationInput{
			Request: req, PathParams: vars, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		}
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("request %s %s: %v", tt.method, tt.path, err)
		}
		out := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: in, Status: got.code, Header: got.Header,
			Body: io.NopCloser(bytes.NewBufferString(got.text)), Options: in.Options,
		}
		if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
			t.Errorf("response to %s %s: %v", tt.method, tt.path, err)
		}
	}
}

// find returns the operation of a request. The routers of kin-openapi do not support
// patterns such as "{topic}:acl".
func find(doc *openapi3.T, method, path string) (route *routers.Route, vars map[string]string) {
	for _, r := range api.Routes() {
		pattern := regexp.MustCompile("^" + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Path, "([^/:]+)") + "$")
		m := pattern.FindStringSubmatch(path)
		if m == nil || r.Method != method || r.Name == "user.show" && path == "/v1/users/profile" {
			continue
		}
		vars = map[string]string{}
		for i, name := range r.Variables() {
			vars[name] = m[i+1]
		}
		item := doc.Paths.Value(r.Path)
		return &routers.Route{Spec: doc, Path: r.Path, PathItem: item, Method: method, Operation: item.GetOperation(method)}, vars
	}
	return nil, nil
}
