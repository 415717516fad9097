package rest

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"usher/directory"
)

// Access is who may call a route.
type Access struct {
	Open    bool                    // everybody, without a key
	AnyKey  bool                    // every valid key; with Route.Authenticate every credential that it accepts
	Service []directory.ServiceRole // service roles that may call it
	Project []directory.Role        // roles in the project of the path that may call it
}

// Admins is access for service_admin, and for some roles in the project.
func Admins(project ...directory.Role) Access {
	return Access{Service: []directory.ServiceRole{directory.ServiceRoleAdmin}, Project: project}
}

// Readers is Admins, and admin_viewer: it is for routes that only read, and return no secret.
func Readers(project ...directory.Role) Access {
	return Access{Service: []directory.ServiceRole{directory.ServiceRoleAdmin, directory.ServiceRoleViewer}, Project: project}
}

// AndPushWorkers is access for push_worker too.
func (a Access) AndPushWorkers() Access {
	a.Service = append(slices.Clone(a.Service), directory.ServiceRolePushWorker)
	return a
}

// Permits reports whether the roles of a user are enough. For an open route it is
// always true.
func (a *Access) Permits(service []directory.ServiceRole, project []directory.Role) bool {
	return a.Open || a.AnyKey || overlap(a.Service, service) || overlap(a.Project, project)
}

// missing says, for log and audit, which roles a user would need one of.
func (a *Access) missing(user, project string) error {
	text := "user " + user + " has none of the service roles " + list(a.Service)
	if len(a.Project) > 0 {
		text += ", and in project " + project + " none of the roles " + list(a.Project)
	}
	return errors.New(text)
}

func list[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

func overlap[T comparable](x, y []T) bool {
	return slices.ContainsFunc(x, func(v T) bool { return slices.Contains(y, v) })
}

// Route is one line of the routing table: everything that the router, docs/reference/api.md and
// the OpenAPI document say about it.
type Route struct {
	Name    string // in log and audit, and the operation of OpenAPI: "topic.modify_acl"
	Method  string
	Path    string // pattern with {variables}; a variable ends before the next '/' or ':'
	Access  Access
	Handler Handler
	Doc     string // one sentence

	// Authenticate verifies what the route takes in place of an API key; nil: a key.
	Authenticate Authenticator

	Body         any    // zero value of the body; nil: the route takes none
	BodyName     string // what an AMS error calls the body, as in "Invalid Topic ACL Arguments"; empty: "Invalid Request Body"
	BodyType     string // content type of a body that the handler reads itself; empty: JSON
	OptionalBody bool
	Form         []Parameter // fields of a body of TypeForm, all required; ReadForm reads it
	MaxBody      int64       // bytes; 0: Config.MaxBody

	Response     any    // zero value of the response; nil: its body is empty
	ResponseType string // content type of the response; empty: JSON

	Query     []Parameter
	Paged     bool // takes pageSize and pageToken
	ETag      bool // returns an ETag; takes If-Match or If-None-Match
	BeyondAMS bool // AMS has no such route
	Writes    bool // changes the directory, though its method is GET

	KeepsDirectory bool // changes something else than the directory
	MovesMessages  bool // publishes or consumes messages, which is counted and traced; only a refusal is audited
	ReadsBody      bool // the handler reads the body itself; Body is only its shape for the documents
	OAuthErrors    bool // errors are wire.OAuthError (RFC 6749 section 5.2) instead of wire.Error

	Timeout        time.Duration // 0: Config.Timeout
	ProjectMayMiss bool          // a service_admin may call it for a project that does not exist any more
}

// Handler does what a route is for. The caller is authenticated and authorized.
type Handler func(r *Request) (*Response, error)

// Parameter is a query parameter.
type Parameter struct{ Name, Doc string }

// Names of the variables in paths.
const (
	VarProject      = "project"
	VarUser         = "user"
	VarTopic        = "topic"
	VarSubscription = "subscription"
	VarKey          = "key"
	VarUUID         = "uuid"
	VarServiceType  = "type"
	VarHost         = "host"    // the name of a host, which may have dots
	VarSession      = "session" // SERVER:CLIENT
	VarBan          = "ban"
	VarToken        = "token" // an API key
)

// Changes reports whether the route changes something, which is audited.
func (r *Route) Changes() bool {
	return r.Writes || r.Method != http.MethodGet && !r.MovesMessages
}

// changesDirectory reports whether the route changes the directory.
func (r *Route) changesDirectory() bool { return r.Changes() && !r.KeepsDirectory }

// variable matches one {name} in the pattern of a path.
var variable = regexp.MustCompile(`\{(\w+)\}`)

// Variables returns the names in the pattern of the path, in order.
func (r *Route) Variables() []string {
	var names []string
	for _, m := range variable.FindAllStringSubmatch(r.Path, -1) {
		names = append(names, m[1])
	}
	return names
}
