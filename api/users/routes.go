package users

import (
	"net/http"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
)

const (
	pathMembers = "/v1/projects/{project}/members"
	pathMember  = pathMembers + "/{user}"
	pathUsers   = "/v1/users"
	pathUser    = pathUsers + "/{user}"
	pathKeys    = pathUser + "/keys"
	pathKey     = pathKeys + "/{key}"
)

// MemberRoutes returns the routes of the members of a project.
func (h *Handlers) MemberRoutes() []rest.Route {
	access, reader := rest.Admins(directory.RoleProjectAdmin), rest.Readers(directory.RoleProjectAdmin)
	return []rest.Route{
		{
			Name: "member.list", Method: http.MethodGet, Path: pathMembers, Access: reader, Handler: listMembers,
			Doc:      "Lists the members of a project.",
			Response: wire.UserList{}, Paged: true,
		},
		{
			Name: "member.show", Method: http.MethodGet, Path: pathMember, Access: reader, Handler: showMember,
			Doc:      "Returns a member.",
			Response: wire.User{}, ETag: true,
		},
		{
			Name: "member.create", Method: http.MethodPost, Path: pathMember, Access: access, Handler: h.createMember,
			Doc:  "Creates a user that is a member of this project. The response contains its key; it cannot be shown again.",
			Body: wire.UserInput{}, BodyName: "User", Response: wire.UserCreated{}, ETag: true,
		},
		{
			Name: "member.update", Method: http.MethodPut, Path: pathMember, Access: access, Handler: updateMember,
			Doc:  "Replaces the roles of a member in this project. Other fields of the body are ignored.",
			Body: wire.UserInput{}, BodyName: "User", Response: wire.User{}, ETag: true,
		},
		{
			Name: "member.add", Method: http.MethodPost, Path: pathMember + ":add", Access: access, Handler: h.addMember,
			Doc:  "Adds an existing user to the project.",
			Body: wire.ProjectRoles{}, Response: wire.User{}, ETag: true,
		},
		{
			Name: "member.remove", Method: http.MethodPost, Path: pathMember + ":remove", Access: access, Handler: removeMember,
			Doc:      "Removes a member from the project and its ACLs.",
			Response: wire.Empty{}, ETag: true,
		},
	}
}

// UserRoutes returns the routes of users.
func (h *Handlers) UserRoutes() []rest.Route {
	access, reader := rest.Admins(), rest.Readers()
	return []rest.Route{
		{
			Name: "user.list", Method: http.MethodGet, Path: pathUsers, Access: reader, Handler: listUsers,
			Doc:      "Lists all users, or the members of one project.",
			Response: wire.UserList{}, Paged: true,
			Query: []rest.Parameter{{Name: rest.VarProject, Doc: "Lists only the members of this project."}},
		},
		{
			Name: "user.profile", Method: http.MethodGet, Path: pathUsers + "/profile", Access: rest.Access{AnyKey: true}, Handler: showProfile,
			Doc:      "Returns the user that the key belongs to.",
			Response: wire.User{}, ETag: true,
		},
		{
			Name: "user.by_uuid", Method: http.MethodGet, Path: pathUsers + ":byUUID/{uuid}", Access: reader, Handler: showUserByUUID,
			Doc:      "Returns a user by its id, which does not change when the user is renamed.",
			Response: wire.User{}, ETag: true,
		},
		{
			Name: "user.by_token", Method: http.MethodGet, Path: pathUsers + ":byToken/{token}", Access: rest.Admins().AndPushWorkers(), Handler: showUserByToken,
			Doc:      "Returns the user that a key belongs to. Push servers of AMS ask so for themselves. Proxies log URLs, and here the URL has the key.",
			Response: wire.User{}, ETag: true,
		},
		{
			Name: "user.show", Method: http.MethodGet, Path: pathUser, Access: reader, Handler: showUser,
			Doc:      "Returns a user.",
			Response: wire.User{}, ETag: true,
		},
		{
			Name: "user.create", Method: http.MethodPost, Path: pathUser, Access: access, Handler: createUser,
			Doc:  "Creates a user. The response contains its key; it cannot be shown again.",
			Body: wire.UserInput{}, BodyName: "User", Response: wire.UserCreated{}, ETag: true,
		},
		{
			Name: "user.update", Method: http.MethodPut, Path: pathUser, Access: access, Handler: updateUser,
			Doc:  "Changes a user. The last service_admin with a working key keeps its role and that key.",
			Body: wire.UserInput{}, BodyName: "User", Response: wire.User{}, ETag: true,
		},
		{
			Name: "user.delete", Method: http.MethodDelete, Path: pathUser, Access: access, Handler: deleteUser,
			Doc:  "Removes a user with its keys, its memberships and its entries in ACLs.",
			ETag: true,
		},
		{
			Name: "user.refresh_token", Method: http.MethodPost, Path: pathUser + ":refreshToken", Access: access, Handler: refreshToken,
			Doc:  "Replaces a key of a user. The response contains the new key; it cannot be shown again. The old key is refused from the next connect on, or with a grace from the end of that; then " + openConnections,
			Body: wire.RefreshToken{}, OptionalBody: true, Response: wire.UserCreated{}, ETag: true,
		},
		{
			Name: "user.permissions", Method: http.MethodGet, Path: pathUser + ":permissions", Access: reader, Handler: h.showPermissions,
			Doc:       "Returns what this user would get on connecting to NATS, and why. `no_key` is set if none of its keys works now.",
			Response:  wire.Permissions{},
			Query:     []rest.Parameter{{Name: rest.VarProject, Doc: "Answers as if the client asked for this project."}},
			BeyondAMS: true,
		},
	}
}

// KeyRoutes returns the routes of the keys of a user.
func (h *Handlers) KeyRoutes() []rest.Route {
	access, reader := rest.Admins(), rest.Readers()
	return []rest.Route{
		{
			Name: "key.list", Method: http.MethodGet, Path: pathKeys, Access: reader, Handler: listKeys,
			Doc:      "Lists the keys of a user, without the secret keys themselves.",
			Response: wire.KeyList{}, Paged: true, BeyondAMS: true,
		},
		{
			Name: "key.create", Method: http.MethodPost, Path: pathKeys, Access: access, Handler: createKey,
			Doc:  "Creates another key for a user. The response contains the key; it cannot be shown again.",
			Body: wire.KeyInput{}, Response: wire.KeyCreated{}, ETag: true, BeyondAMS: true,
		},
		{
			Name: "key.show", Method: http.MethodGet, Path: pathKey, Access: reader, Handler: showKey,
			Doc:      "Returns a key, without the secret key itself.",
			Response: wire.Key{}, ETag: true, BeyondAMS: true,
		},
		{
			Name: "key.delete", Method: http.MethodDelete, Path: pathKey, Access: access, Handler: deleteKey,
			Doc:  "Removes a key. It is refused from the next connect on; " + openConnections,
			ETag: true, BeyondAMS: true,
		},
	}
}

// openConnections is what becomes of open connections when a credential is taken away.
const openConnections = "open connections are closed at once if usher has a user for sessions, else they stay until their user JWT expires."
