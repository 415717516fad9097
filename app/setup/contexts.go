package setup

import (
	"cmp"

	"usher/app/natscontext"
	"usher/permissions"
)

// contexts returns contexts of the nats CLI, for the service user and for the first client.
// They contain no secret, but the paths of the files with the secrets. There are none if the
// nats CLI cannot open these.
func (o *Options) contexts(url string) []File {
	if !natscontext.CanName(o.Dir) {
		return nil
	}
	service := natscontext.Context{Description: "service user of usher, in account " + AccountCallout, URL: url}
	service.User, service.Password = ServiceUser, natscontext.FileReference(o.path(FilePassword))
	if o.Operator {
		service.User, service.Password, service.Creds = "", "", o.path(FileServiceCreds)
	}
	user := cmp.Or(o.Client.User, "admin")
	client := natscontext.Context{
		Description: "user " + user, URL: url, InboxPrefix: permissions.InboxPrefix(user),
		Token: natscontext.FileReference(o.path(cmp.Or(o.Client.KeyFile, FileAdminKey))),
	}
	return []File{{FileServiceContext, service.Encode()}, {FileClientContext, client.Encode()}}
}
