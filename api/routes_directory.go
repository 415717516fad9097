package api

import (
	"net/http"
	"time"

	"usher/api/wire"
	"usher/directory/file"
)

const (
	pathDirectory = "/v1/directory"
	typeYAML      = "application/yaml"
	typeLines     = "application/x-ndjson"

	transferLimit = 10 * time.Minute // for a whole directory
)

func directoryRoutes() []Route {
	access := admins()
	return []Route{
		{
			Name: "directory.export", Method: http.MethodGet, Path: pathDirectory + ":export", Access: access, Beyond: true,
			handle: exportDirectory,
			Doc:    "The whole directory as a directory file.", Answer: "", Gives: typeYAML, Timeout: transferLimit,
		},
		{
			Name: "directory.import", Method: http.MethodPost, Path: pathDirectory + ":import", Access: access, Beyond: true,
			handle: importDirectory,
			Doc:    "Takes a directory file into the directory, and says line by line how far it is.", Noun: "Directory",
			Takes: typeYAML, Answer: wire.ImportLine{}, Gives: typeLines, MaxBody: file.MaxSize, Timeout: transferLimit,
			Query: []Parameter{
				{paramMode, "merge (default): what the file does not name stays; replace: it is removed."},
				{paramDryRun, "true: nothing is changed, and every line is something that would be."},
				{paramAccount, "NATS account of projects that state none."},
			},
		},
	}
}
