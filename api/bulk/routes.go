package bulk

import (
	"net/http"
	"time"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory/file"
)

const (
	path     = "/v1/directory"
	typeYAML = "application/yaml"

	timeout = 10 * time.Minute // for a whole directory

	paramMode    = "mode"
	paramDryRun  = "dryRun"
	paramAccount = "account"

	modeMerge   = "merge"
	modeReplace = "replace"
)

// Routes returns the routes of the whole directory.
func (h *Handlers) Routes() []rest.Route {
	access := rest.Admins()
	return []rest.Route{
		{
			Name: "directory.export", Method: http.MethodGet, Path: path + ":export", Access: access, Handler: exportDirectory,
			Doc:      "Returns the whole directory as a directory file.",
			Response: "", ResponseType: typeYAML, Timeout: timeout, BeyondAMS: true,
		},
		{
			Name: "directory.import", Method: http.MethodPost, Path: path + ":import", Access: access, Handler: h.importDirectory,
			Doc:      "Imports a directory file. The response reports the progress, one JSON object a line.",
			BodyName: "Directory", BodyType: typeYAML, MaxBody: file.MaxSize, Response: wire.ImportLine{}, ResponseType: rest.TypeLines,
			Query: []rest.Parameter{
				{Name: paramMode, Doc: "merge (default): keeps what the file does not contain; replace: removes it."},
				{Name: paramDryRun, Doc: "true: changes nothing, and returns one line for each change that the import would make."},
				{Name: paramAccount, Doc: "NATS account of projects that set none."},
			},
			Timeout: timeout, BeyondAMS: true,
		},
	}
}
