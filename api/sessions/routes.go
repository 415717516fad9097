package sessions

import (
	"net/http"
	"time"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
)

const (
	path      = "/v1/sessions"
	pathOfOne = path + "/{session}"

	pathInProject      = "/v1/projects/{project}/sessions"
	pathOfOneInProject = pathInProject + "/{session}"

	kick = ":kick"

	// kickTimeout is how long one request may close sessions.
	kickTimeout = time.Hour
)

// Routes returns the routes of all sessions, and of those of one project.
func (h *Handlers) Routes() []rest.Route {
	all, project := rest.Admins(), rest.Admins(directory.RoleProjectAdmin)
	return []rest.Route{
		h.logoutRoute(),
		{
			Name: "session.list", Method: http.MethodGet, Path: path, Access: rest.Readers(), Handler: h.list,
			Doc:      "Lists live sessions, newest first.",
			Response: wire.SessionList{}, Paged: true, Query: append(filterParameters(), parameterProject()), BeyondAMS: true,
		},
		{
			Name: "session.show", Method: http.MethodGet, Path: pathOfOne, Access: rest.Readers(), Handler: h.show,
			Doc:      "Returns a session, and the reasons for its grant: as it was, and as it would be now.",
			Response: wire.SessionExplained{}, BeyondAMS: true,
		},
		{
			Name: "session.kick", Method: http.MethodPost, Path: path + kick, Access: all, Handler: h.kick,
			Doc:  kickDoc,
			Body: wire.SessionKick{}, BodyName: "Session", Response: wire.KickLine{}, ResponseType: rest.TypeLines,
			Timeout: kickTimeout, KeepsDirectory: true, BeyondAMS: true,
		},
		{
			Name: "session.list_in_project", Method: http.MethodGet, Path: pathInProject, Access: rest.Readers(directory.RoleProjectAdmin), Handler: h.list,
			Doc:      "Lists the live sessions with roles in a project. For a project_admin, a session whose grant also holds for something else has `other_grants` and shows less, and no filter on what is not shown finds it.",
			Response: wire.SessionList{}, Paged: true, Query: filterParameters(), BeyondAMS: true,
		},
		{
			Name: "session.show_in_project", Method: http.MethodGet, Path: pathOfOneInProject, Access: rest.Readers(directory.RoleProjectAdmin), Handler: h.show,
			Doc:      "Returns a session with roles in a project, and the reasons for its grant.",
			Response: wire.SessionExplained{}, BeyondAMS: true,
		},
		{
			Name: "session.kick_in_project", Method: http.MethodPost, Path: pathInProject + kick, Access: project, Handler: h.kick,
			Doc:  "Closes live sessions with roles in a project, as session.kick does. A project_admin cannot close a session whose grant also holds for something else; the result counts these.",
			Body: wire.SessionKick{}, BodyName: "Session", Response: wire.KickLine{}, ResponseType: rest.TypeLines,
			Timeout: kickTimeout, KeepsDirectory: true, BeyondAMS: true,
		},
	}
}

const kickDoc = "Closes live sessions, `rate` in a second. The response reports the progress, one JSON object a line; a caller that disconnects ends it. The clients come back at once unless their next connect is denied."

const parameterDetails = "details"

func parameterProject() rest.Parameter {
	return rest.Parameter{Name: rest.VarProject, Doc: "Only sessions with roles in this project."}
}

func filterParameters() []rest.Parameter {
	return []rest.Parameter{
		{Name: "id", Doc: "Only this session. It may be repeated."},
		{Name: "user", Doc: "Only sessions of this user."},
		{Name: "key", Doc: "Only sessions that were granted to a key of this name."},
		{Name: "method", Doc: "Only sessions whose credential was verified in this way, such as apikey."},
		{Name: "account", Doc: "Only sessions in this NATS account."},
		{Name: "server", Doc: "Only sessions on this nats-server: its name or public nkey."},
		{Name: "from", Doc: "Only clients with this address, or in this network (CIDR)."},
		{Name: "since", Doc: "Only sessions that began then or later: a time (RFC 3339), or a duration such as 1h ago; a day is 24h."},
		{Name: "ends_within", Doc: "Only sessions that end within this duration, such as 1h (a day is 24h), or by this time (RFC 3339)."},
		{Name: "subject", Doc: "Only sessions that may publish or subscribe to something that this subject, or pattern, matches. A grant whose permissions are in the template of a scoped signing key does not match."},
		{Name: parameterDetails, Doc: "true: asks the servers for idle time, round-trip time, messages, bytes and subscriptions."},
	}
}
