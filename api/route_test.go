package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"usher/api"
)

// The table is well formed. The router and the documents rely on that.
func TestRoutes(t *testing.T) {
	names, requests := map[string]bool{}, map[string]bool{}
	for _, r := range api.Routes() {
		if !regexp.MustCompile(`^[a-z]+\.[a-z_]+$`).MatchString(r.Name) || names[r.Name] {
			t.Errorf("%s: invalid or repeated name", r.Name)
		}
		if request := r.Method + " " + r.Path; !strings.HasPrefix(r.Path, "/v1/") || requests[request] {
			t.Errorf("%s: %s is repeated, or outside of /v1", r.Name, request)
		}
		names[r.Name], requests[r.Method+" "+r.Path] = true, true
		if r.Doc == "" || !strings.HasSuffix(r.Doc, ".") {
			t.Errorf("%s is not documented", r.Name)
		}
		a := r.Access
		if kinds := []bool{a.Open, a.AnyKey, len(a.Service)+len(a.Project) > 0}; count(kinds) != 1 {
			t.Errorf("%s: contradictory access", r.Name)
		}
		if len(a.Project) > 0 && !strings.Contains(r.Path, "{project}") {
			t.Errorf("%s: roles in a project, but the path has no project", r.Name)
		}
		if r.Method == http.MethodGet && r.Body != nil || r.Paged && r.ETag {
			t.Errorf("%s: a GET with a body, or a list with an ETag", r.Name)
		}
	}
}

func count(all []bool) (n int) {
	for _, v := range all {
		if v {
			n++
		}
	}
	return n
}
