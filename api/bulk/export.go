package bulk

import (
	"net/http"

	"usher/api/rest"
	"usher/directory/file"
)

func exportDirectory(r *rest.Request) (*rest.Response, error) {
	return &rest.Response{ContentType: typeYAML, Stream: func(w http.ResponseWriter) error {
		return file.Write(w, r.Snapshot.Records())
	}}, nil
}
