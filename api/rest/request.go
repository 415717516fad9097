package rest

import (
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"usher/api/apierror"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/audit"
)

// Request is one request of the API.
type Request struct {
	Route  *Route
	HTTP   *http.Request
	Body   any             // pointer to the type of Route.Body; nil: the route takes no JSON
	Caller *directory.User // nil: the route is open, or the credential is not verified yet

	// Identity is who the caller is by its credential.
	Identity identity.Identity

	// Snapshot is the directory in which the caller was found: at first the current one,
	// then the one that each attempt of a change is made on.
	Snapshot *snapshot.Snapshot
	Written  []directory.Entry // what the request has changed, on Snapshot
	Change   audit.Change      // for the audit: Before, After and Revision

	DryRun      bool // nothing is changed or audited
	RateLimited bool // one of too many failures: not audited, and logged at level debug
	ErrorSent   bool // the response began as a success, and its body ends with an error

	router  *Router
	writer  http.ResponseWriter
	id      string
	arrived time.Time
	host    string            // the client's address, without the port
	vars    map[string]string // variables of the path
	key     string            // what the client presented; never shown
	verify  Verification      // of what the client presented
	service *ServiceToken     // what the client presented; nil: another credential
	refused bool              // what the client presented was refused
	status  int               // HTTP status of the response; 0: not sent yet
	sent    io.Reader         // the body, without a limit
}

// serve returns the HTTP handler of a route.
func (rt *Router) serve(route *Route) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		timeout := rt.cfg.Timeout
		if route.Timeout != 0 {
			timeout = route.Timeout
		}
		ctx, cancel := context.WithTimeout(hr.Context(), timeout)
		defer cancel()
		r := &Request{
			Route: route, HTTP: hr.WithContext(ctx), router: rt, writer: w, sent: hr.Body,
			id: rt.cfg.NewID(), arrived: rt.cfg.Now(), host: hostOf(hr.RemoteAddr), vars: map[string]string{},
		}
		for _, name := range route.Variables() {
			r.vars[name] = chi.URLParam(hr, name)
		}
		r.setDeadlines()
		h := w.Header()
		h.Set(headerRequestID, r.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		var err error
		defer func() { r.finish(recover(), err) }()
		var response *Response
		if response, err = r.handle(); err == nil {
			err = r.respond(response)
		}
		if err != nil {
			r.respondError(r.nameMissing(apierror.From(err)))
		}
	}
}

const headerRequestID = "X-Request-Id"

// hostOf returns the host of "host:port".
func hostOf(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// handle checks the request, and calls the handler of its route.
func (r *Request) handle() (*Response, error) {
	if r.Route.Authenticate == nil {
		r.key = r.presentedKey() // at first, because every text that is written is searched for it
	}
	if err := r.checkPath(); err != nil {
		return nil, err
	}
	if !r.Route.Access.Open {
		if err := r.authenticate(); err != nil {
			return nil, err
		}
		if err := r.authorize(r.Snapshot, r.Caller); err != nil {
			return nil, r.limit(r.router.notAllowed, r.Caller.ID.String(), apierror.From(err), refusedOften)
		}
		r.extendRead()
	}
	if err := r.checkDirectory(); err != nil {
		return nil, err
	}
	if err := r.decodeBody(); err != nil {
		return nil, err
	}
	r.setAuthor()
	response, err := r.Route.Handler(r)
	return response, r.limitForbidden(err)
}

// PathName is what AMS accepts as a name in a path. The directory has stricter rules for
// names of new resources.
var PathName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// pathHost is what a path has as the name of a host.
var pathHost = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

// pathSession is what a path has as the id of a session.
var pathSession = regexp.MustCompile(`^[A-Z0-9]+:[0-9]+$`)

// NameIn returns what a variable of a path may be.
func NameIn(variable string) *regexp.Regexp {
	switch variable {
	case VarHost:
		return pathHost
	case VarSession:
		return pathSession
	default:
		return PathName
	}
}

func (r *Request) checkPath() error {
	for _, name := range r.Route.Variables() {
		if NameIn(name).MatchString(r.vars[name]) {
			continue
		}
		if _, verb := r.router.methods(r.HTTP.URL.EscapedPath()); len(verb) > 0 && !hasVerb(r.Route.Path) {
			return apierror.MethodNotAllowed(verb)
		}
		shape := apierror.NameFormat
		switch name {
		case VarUUID:
			shape = apierror.UUIDShape
		case VarHost:
			shape = apierror.HostFormat
		case VarSession:
			shape = apierror.SessionShape
		}
		return apierror.InvalidReference(name, shape)
	}
	return nil
}

// Var returns a variable of the path.
func (r *Request) Var(name string) string { return r.vars[name] }

// ID returns the id of the request, which log and audit contain.
func (r *Request) ID() string { return r.id }

// Host returns the address of the client, without the port.
func (r *Request) Host() string { return r.host }

// Query returns a query parameter; empty: there is none.
func (r *Request) Query(name string) string { return r.HTTP.URL.Query().Get(name) }

// Flag returns a query parameter that is true or false; it is false if it is missing.
func (r *Request) Flag(name string) (bool, error) {
	switch r.Query(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, apierror.InvalidParameter(name, "true or false")
	}
}

// Context returns the context of the request, with its deadline.
func (r *Request) Context() context.Context { return r.HTTP.Context() }

// Store returns the directory.
func (r *Request) Store() Store { return r.router.cfg.Store }

// Random returns the source of randomness for keys.
func (r *Request) Random() io.Reader { return r.router.cfg.Random }

// NewUUID returns the id of a new resource.
func (r *Request) NewUUID() (uuid.UUID, error) { return uuid.NewRandomFromReader(r.router.cfg.Random) }

// Now is when the request arrived, as the directory keeps times.
func (r *Request) Now() time.Time { return r.arrived.UTC() }

// Made says when and by whom a resource that this request creates is made.
func (r *Request) Made() directory.Made {
	return directory.Made{Created: r.Now(), Modified: r.Now(), By: r.Caller.ID}
}

// CheckNewName checks the name of a resource that is to be created or renamed.
func (r *Request) CheckNewName(variable, name string) error {
	err := directory.CheckName(name)
	if err == nil && r.ContainsKey(name) {
		err = directory.ErrSecret
	}
	if err == nil && variable == VarUser && name == wire.ProfileUser {
		err = errReserved
	}
	if err != nil {
		return apierror.InvalidNewName(variable, err)
	}
	return nil
}
