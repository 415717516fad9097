package api

import (
	"encoding/json"
	"runtime"

	"usher/api/wire"
)

func showVersion(c *call) (*answer, error) {
	return &answer{body: wire.Version{
		Release: c.cfg.Version, Golang: runtime.Version(), Compiler: runtime.Compiler, OS: runtime.GOOS, Architecture: runtime.GOARCH,
	}}, nil
}

func showStatus(c *call) (*answer, error) {
	out := wire.Status{Status: "ok", PushFunctionality: "disabled", PushServers: []string{}}
	if c.cfg.Directory != nil {
		d := c.cfg.Directory()
		d.AsOf = shownTime(d.AsOf)
		if out.Directory = &d; !d.Current {
			out.Status = "warning"
		}
	}
	if c.cfg.Store.Snapshot() == nil {
		out.Status = "warning"
	}
	return &answer{body: out}, nil
}

func showOpenAPI(c *call) (*answer, error) {
	return &answer{body: json.RawMessage(c.openAPI)}, nil
}
