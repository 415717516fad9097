package api

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/go-chi/chi/v5"

	"usher/callout/admission"
)

// server is one API; it holds no state of its own but who failed.
type server struct {
	cfg      Config
	routes   []Route
	failures *admission.Failures // of keys, by address
	refusals *admission.Failures // of users who may not do what they ask for, by id
	guesses  *guessed            // of names of users, by id of the project
	openAPI  []byte
	mux      *chi.Mux
}

// New returns the API as a handler for everything under /v1.
func New(cfg Config) (http.Handler, error) { //nolint:gocritic // it is the server's from then on
	a, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	return a.mux, nil
}

func newServer(cfg Config) (*server, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	a := &server{
		cfg: cfg, routes: Routes(), mux: chi.NewRouter(),
		failures: admission.NewFailures(admission.FailuresConfig{PerHost: cfg.FailedKeys, Now: cfg.Now}),
		refusals: admission.NewFailures(admission.FailuresConfig{PerHost: cfg.FailedKeys, Now: cfg.Now}),
	}
	a.guesses = newGuesses(&a.cfg)
	var err error
	if a.openAPI, err = openAPI(a.routes, cfg.Version, cfg.KeyIn); err != nil {
		return nil, err
	}
	for i := range a.routes {
		a.mux.Method(a.routes[i].Method, a.routes[i].Path, a.serve(&a.routes[i]))
	}
	a.mux.NotFound(a.serve(&Route{Name: "unknown", Method: http.MethodGet, Access: Access{Open: true}, handle: func(*call) (*answer, error) {
		return nil, notFound("path")
	}}))
	a.mux.MethodNotAllowed(a.serve(&Route{Name: "unknown", Method: http.MethodGet, Access: Access{Open: true}, handle: a.methodNotAllowed}))
	return a, nil
}

func (a *server) methodNotAllowed(c *call) (*answer, error) {
	var allowed []string
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPost, http.MethodPut} {
		if a.mux.Match(chi.NewRouteContext(), method, c.r.URL.EscapedPath()) {
			allowed = append(allowed, method)
		}
	}
	f := fail(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Method not allowed")
	f.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	return nil, f
}

// variable is a name in the pattern of a path.
var variable = regexp.MustCompile(`\{(\w+)\}`)

// Variables returns the names in the pattern of the path, in order.
func (r *Route) Variables() []string {
	var names []string
	for _, m := range variable.FindAllStringSubmatch(r.Path, -1) {
		names = append(names, m[1])
	}
	return names
}
