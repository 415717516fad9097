package api

import (
	"net/http"
	"slices"
	"time"

	"usher/directory"
)

// Access is who may call a route.
type Access struct {
	Open    bool                    // anybody, without a key
	AnyKey  bool                    // every valid key
	Service []directory.ServiceRole // service roles that may
	Project []directory.Role        // roles in the project of the path that may
}

// Permits reports whether the roles of a user are enough. Of an open route it is
// always true.
func (a *Access) Permits(service []directory.ServiceRole, project []directory.Role) bool {
	return a.Open || a.AnyKey || overlap(a.Service, service) || overlap(a.Project, project)
}

func overlap[T comparable](x, y []T) bool {
	return slices.ContainsFunc(x, func(v T) bool { return slices.Contains(y, v) })
}

// Route is one line of the table.
type Route struct {
	Name    string // as logs, audit and the OpenAPI operation have it: "topic.modify_acl"
	Method  string
	Path    string // pattern, with {variables}: each a name, and no longer than to the next '/' or ':'
	Access  Access
	Doc     string // one sentence
	Noun    string // what an AMS error calls the body: "Invalid Topic ACL Arguments"; empty: "Invalid Request Body"
	Request any    // zero value of the body; nil: none is read
	NoBody  bool   // the body may be missing
	Answer  any    // zero value of what is answered; nil: an empty body
	Paged   bool   // takes pageSize and pageToken
	Tagged  bool   // answers an ETag, and takes If-Match
	Query   []Parameter
	Beyond  bool // AMS has no such route
	Left    bool // something may be left of the project when it has gone

	MaxBody int64         // 0: Config.MaxBody
	Timeout time.Duration // 0: Config.Timeout
	Takes   string        // content type of a body that the handler reads itself; empty: JSON
	Gives   string        // content type of the answer; empty: JSON

	handle handler
}

// Parameter is something in the query of a URL.
type Parameter struct{ Name, Doc string }

// Changes reports whether the route changes the directory.
func (r *Route) Changes() bool { return r.Method != http.MethodGet }
