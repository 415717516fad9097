package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"usher/api"
)

// The table is well formed: whatever is made from it relies on that.
func TestTableOfRoutes(t *testing.T) {
	names, places := map[string]bool{}, map[string]bool{}
	for _, r := range api.Routes() {
		if !regexp.MustCompile(`^[a-z]+\.[a-z_]+$`).MatchString(r.Name) || names[r.Name] {
			t.Errorf("%s: no name, or one that stands twice", r.Name)
		}
		if place := r.Method + " " + r.Path; !strings.HasPrefix(r.Path, "/v1/") || places[place] {
			t.Errorf("%s: %s stands twice, or outside of /v1", r.Name, place)
		}
		names[r.Name], places[r.Method+" "+r.Path] = true, true
		if r.Doc == "" || !strings.HasSuffix(r.Doc, ".") {
			t.Errorf("%s is not documented", r.Name)
		}
		a := r.Access
		if kinds := []bool{a.Open, a.AnyKey, len(a.Service)+len(a.Project) > 0}; count(kinds) != 1 {
			t.Errorf("%s: who may call it is contradictory", r.Name)
		}
		if len(a.Project) > 0 && !strings.Contains(r.Path, "{project}") {
			t.Errorf("%s: roles in a project, and no project", r.Name)
		}
		if r.Method == http.MethodGet && r.Body != nil || r.Paged && r.ETag {
			t.Errorf("%s: takes a body, or tags a list", r.Name)
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
