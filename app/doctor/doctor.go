package doctor

import (
	"context"
	"encoding/json"
	"time"

	"usher/app/checkup/finding"
	"usher/app/config"
)

// Report has the facts behind the findings.
type Report struct {
	System  System
	Servers []Server          // of nats.urls that the service user could connect to
	Varz    []json.RawMessage // what each server reports about itself; nil: no system user
	Running *Running          // nil: no usher answers on http.listen
}

// Examine looks at this machine and appends findings to f. cfg is nil if usher.yaml cannot
// be used; then only the system is looked at. offline: no connections are made.
func Examine(ctx context.Context, f *finding.List, cfg *config.Config, offline bool) *Report {
	r := &Report{System: readSystem(time.Now())}
	r.System.check(f)
	if cfg == nil {
		return r
	}
	checkDisks(f, cfg)
	if offline {
		return r
	}
	r.Running = askRunning(ctx, cfg.HTTP.Listen)
	r.Running.check(f, cfg.HTTP.Listen)
	checkPorts(ctx, f, cfg, r.Running != nil)
	checkWays(ctx, f, cfg)
	r.Servers = checkClocks(ctx, f, cfg)
	r.Varz = askServers(ctx, cfg)
	return r
}
