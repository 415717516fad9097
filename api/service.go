package api

import (
	"encoding/json"
	"net/http"
	"runtime"

	"usher/api/rest"
	"usher/api/wire"
)

// service answers requests about the service itself.
type service struct {
	cfg     Config
	openAPI json.RawMessage
}

func (s *service) routes() []rest.Route {
	open := rest.Access{Open: true}
	return []rest.Route{
		{
			Name: "version.show", Method: http.MethodGet, Path: "/v1/version", Access: open, Handler: s.showVersion,
			Doc:      "Returns the version of usher.",
			Response: wire.Version{},
		},
		{
			Name: "status.show", Method: http.MethodGet, Path: "/v1/status", Access: open, Handler: s.showStatus,
			Doc:      "Returns the status of the service, and how current its view of the directory is.",
			Response: wire.Status{},
		},
		{
			Name: "openapi.show", Method: http.MethodGet, Path: "/v1/openapi.json", Access: open, Handler: s.showOpenAPI,
			Doc:      "Returns this table as an OpenAPI document.",
			Response: wire.Permissions{}, BeyondAMS: true,
		},
	}
}

func (s *service) showVersion(*rest.Request) (*rest.Response, error) {
	return &rest.Response{Body: wire.Version{
		Release: s.cfg.Version, Golang: runtime.Version(), Compiler: runtime.Compiler, OS: runtime.GOOS, Architecture: runtime.GOARCH,
	}}, nil
}

func (s *service) showStatus(r *rest.Request) (*rest.Response, error) {
	out := wire.Status{Status: "ok", PushFunctionality: "disabled", PushServers: []wire.PushServer{}}
	if s.cfg.PushServers != nil {
		out.PushFunctionality = "enabled"
		out.PushServers = append(out.PushServers, s.cfg.PushServers(r.HTTP.Context())...)
		for _, p := range out.PushServers {
			if p.Status != "SERVING" {
				out.Status = "warning"
			}
		}
	}
	if s.cfg.Directory != nil {
		d := s.cfg.Directory()
		d.AsOf = wire.Time(d.AsOf)
		if out.Directory = &d; !d.Current {
			out.Status = "warning"
		}
	}
	if s.cfg.Store.Snapshot() == nil {
		out.Status = "warning"
	}
	return &rest.Response{Body: out}, nil
}

func (s *service) showOpenAPI(*rest.Request) (*rest.Response, error) {
	return &rest.Response{Body: s.openAPI}, nil
}
