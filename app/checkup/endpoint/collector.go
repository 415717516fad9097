package endpoint

import (
	"context"

	"usher/app/checkup/finding"
	"usher/app/collector"
	"usher/app/config"
	"usher/internal/fault"
)

// CheckCollector checks the files of the section tracing and, unless offline, whether the
// collector accepts traces. One that does not is a warning: usher serves without it.
func CheckCollector(ctx context.Context, f *finding.List, cfg *config.Config, offline bool) {
	access, err := collector.Load(cfg)
	if err != nil {
		f.Failed("tracing", fault.InConfig(err))
		return
	}
	if cfg.Tracing.Endpoint == "" || offline {
		return
	}
	if err := access.Probe(ctx); err != nil {
		f.Warn("tracing", cfg.Tracing.Endpoint, "the endpoint must receive OTLP over HTTP in protobuf; docs/how-to/trace.md", "the collector does not accept traces: %v", err)
		return
	}
	f.OK("tracing", cfg.Tracing.Endpoint, "the collector accepts traces")
}
