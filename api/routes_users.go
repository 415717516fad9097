package api

import (
	"net/http"

	"usher/api/wire"
)

func userRoutes() []Route {
	access := admins()
	return []Route{
		{
			Name: "user.list", Method: http.MethodGet, Path: pathUsers, Access: access,
			handle: listUsers,
			Doc:    "All users, or those of one project.", Answer: wire.UserList{}, Paged: true,
			Query: []Parameter{{"project", "Only members of this project."}},
		},
		{
			Name: "user.profile", Method: http.MethodGet, Path: pathUsers + "/profile", Access: Access{AnyKey: true},
			handle: showProfile,
			Doc:    "Who the key belongs to.", Answer: wire.User{}, Tagged: true,
		},
		{
			Name: "user.by_uuid", Method: http.MethodGet, Path: pathUsers + ":byUUID/{uuid}", Access: access,
			handle: showUserByUUID,
			Doc:    "One user by its id, which stays when the name changes.", Answer: wire.User{}, Tagged: true,
		},
		{
			Name: "user.show", Method: http.MethodGet, Path: pathUser, Access: access,
			handle: showUser,
			Doc:    "One user.", Answer: wire.User{}, Tagged: true,
		},
		{
			Name: "user.create", Method: http.MethodPost, Path: pathUser, Access: access,
			handle: createUser,
			Doc:    "Makes a user with a key, which is shown this once.", Noun: "User", Request: wire.UserInput{}, Answer: wire.UserCreated{}, Tagged: true,
		},
		{
			Name: "user.update", Method: http.MethodPut, Path: pathUser, Access: access,
			handle: updateUser,
			Doc:    "Changes a user. The last service_admin who can still get in stays one.", Noun: "User", Request: wire.UserInput{}, Answer: wire.User{}, Tagged: true,
		},
		{
			Name: "user.delete", Method: http.MethodDelete, Path: pathUser, Access: access,
			handle: deleteUser,
			Doc:    "Removes a user with its keys and memberships, and from all ACLs.", Tagged: true,
		},
		{
			Name: "user.refresh_token", Method: http.MethodPost, Path: pathUser + ":refreshToken", Access: access,
			handle:  refreshToken,
			Doc:     "Replaces a key of a user; the new one is shown this once. The old one is refused from the next connect on, or after a grace period; open connections last until they end.",
			Request: wire.RefreshToken{}, NoBody: true, Answer: wire.UserCreated{}, Tagged: true,
		},
		{
			Name: "user.permissions", Method: http.MethodGet, Path: pathUser + ":permissions", Access: access, Beyond: true,
			handle: showPermissions,
			Doc:    "What this user would get on connecting to NATS, and why; `no_key` says if none of its keys works now.", Answer: wire.Permissions{},
			Query: []Parameter{{"project", "As if the client asked for this project."}},
		},
	}
}

func keyRoutes() []Route {
	access := admins()
	return []Route{
		{
			Name: "key.list", Method: http.MethodGet, Path: pathKeys, Access: access, Beyond: true,
			handle: listKeys,
			Doc:    "The keys of a user, without the keys themselves.", Answer: wire.KeyList{}, Paged: true,
		},
		{
			Name: "key.create", Method: http.MethodPost, Path: pathKeys, Access: access, Beyond: true,
			handle: createKey,
			Doc:    "Makes another key for a user, which is shown this once.", Request: wire.KeyInput{}, Answer: wire.KeyCreated{}, Tagged: true,
		},
		{
			Name: "key.show", Method: http.MethodGet, Path: pathKey, Access: access, Beyond: true,
			handle: showKey,
			Doc:    "One key, without the key itself.", Answer: wire.Key{}, Tagged: true,
		},
		{
			Name: "key.delete", Method: http.MethodDelete, Path: pathKey, Access: access, Beyond: true,
			handle: deleteKey,
			Doc:    "Removes a key: it is refused from the next connect on; open connections last until they end.", Tagged: true,
		},
	}
}
