package rest

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"usher/api/apierror"
	"usher/callout/ratelimit"
)

// Router serves a table of routes. Its only state is the counts of failures.
type Router struct {
	*chi.Mux

	cfg         Config
	failedKeys  *ratelimit.Failures // by address
	notAllowed  *ratelimit.Failures // requests that the roles of a user do not permit, by user id
	retryFailed float64             // seconds until one more failure is allowed
}

// NewRouter returns a router for routes.
func NewRouter(cfg Config, routes []Route) (*Router, error) { //nolint:gocritic // the router keeps the copy
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	failures := func() *ratelimit.Failures {
		return ratelimit.New(ratelimit.Config{PerHost: cfg.FailedKeys, Now: cfg.Now})
	}
	rt := &Router{Mux: chi.NewRouter(), cfg: cfg, failedKeys: failures(), notAllowed: failures()}
	if cfg.FailedKeys > 0 {
		rt.retryFailed = 1 / cfg.FailedKeys
	}
	for i := range routes {
		rt.Method(routes[i].Method, routes[i].Path, rt.serve(&routes[i]))
	}
	unknown := func(h Handler) http.HandlerFunc {
		return rt.serve(&Route{Name: "unknown", Method: http.MethodGet, Access: Access{Open: true}, Handler: h})
	}
	rt.NotFound(unknown(func(*Request) (*Response, error) { return nil, apierror.NotFound("path") }))
	rt.MethodNotAllowed(unknown(rt.methodNotAllowed))
	return rt, nil
}

func (rt *Router) methodNotAllowed(r *Request) (*Response, error) {
	all, verb := rt.methods(r.HTTP.URL.EscapedPath())
	if len(verb) > 0 {
		return nil, apierror.MethodNotAllowed(verb)
	}
	if r.HTTP.Method == http.MethodPost && strings.Contains(lastSegment(r.HTTP.URL.EscapedPath()), ":") {
		return nil, apierror.NotFound("Custom method") // such as :publih
	}
	return nil, apierror.MethodNotAllowed(all)
}

// methods returns the methods that a path has. verb are those of routes with a custom method
// such as ":publish": for a route without, that is a part of the name, which no name has.
func (rt *Router) methods(path string) (all, verb []string) {
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPost, http.MethodPut} {
		pattern := rt.Find(chi.NewRouteContext(), method, path)
		if pattern == "" {
			continue
		}
		all = append(all, method)
		if hasVerb(pattern) {
			verb = append(verb, method)
		}
	}
	return all, verb
}

// hasVerb reports whether a pattern ends with a variable and a custom method.
func hasVerb(pattern string) bool {
	return strings.Contains(lastSegment(pattern), "}:")
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
