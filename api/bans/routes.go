// Package bans has the routes of bans: who is refused, until when and why.
//
// It promises that nobody locks out the last service_admin. It never shows a credential, only
// its digest.
package bans

import (
	"net/http"

	"usher/api/rest"
	"usher/api/wire"
)

const (
	path      = "/v1/bans"
	pathOfOne = path + "/{ban}"
)

// Routes returns the routes of bans.
func Routes() []rest.Route {
	access, reader := rest.Admins(), rest.Readers()
	return []rest.Route{
		{
			Name: "ban.list", Method: http.MethodGet, Path: path, Access: reader, Handler: list,
			Doc:      "Lists bans, newest first. Ended ones are listed until usher removes them.",
			Response: wire.BanList{}, Paged: true, BeyondAMS: true,
		},
		{
			Name: "ban.create", Method: http.MethodPost, Path: path, Access: access, Handler: create,
			Doc:  "Bans a user, a key, a credential, a network, an MQTT client id or an identity, for a time. The next connect is denied, and live sessions are closed as after any change.",
			Body: wire.BanInput{}, BodyName: "Ban", Response: wire.Ban{}, ETag: true, BeyondAMS: true,
		},
		{
			Name: "ban.show", Method: http.MethodGet, Path: pathOfOne, Access: reader, Handler: show,
			Doc:      "Returns a ban.",
			Response: wire.Ban{}, ETag: true, BeyondAMS: true,
		},
		{
			Name: "ban.lift", Method: http.MethodDelete, Path: pathOfOne, Access: access, Handler: lift,
			Doc:      "Ends a ban.",
			Response: wire.Empty{}, ETag: true, BeyondAMS: true,
		},
	}
}
