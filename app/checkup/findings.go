package checkup

import (
	"context"
	"fmt"
	"usher/app/config"
	"usher/internal/fault"
)

// Finding is one thing that was looked at.
type Finding struct {
	Check  string     `json:"check"`
	Where  string     `json:"where,omitempty"` // a URL, a file, or a place in one: FILE:LINE:COLUMN
	Path   string     `json:"path,omitempty"`  // of the key at that place
	Result string     `json:"result"`          // ok | warning | error
	Detail string     `json:"detail,omitempty"`
	Hint   string     `json:"hint,omitempty"`
	Kind   fault.Kind `json:"-"` // of an error: who can mend it
}

type Findings []Finding

func (f *Findings) ok(check, where, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Result: "ok", Detail: fmt.Sprintf(format, args...)})
}

func (f *Findings) warn(check, where, hint, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Result: "warning", Detail: fmt.Sprintf(format, args...), Hint: hint})
}

func (f *Findings) fail(kind fault.Kind, check, where, hint, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Result: "error", Detail: fmt.Sprintf(format, args...), Hint: hint, Kind: kind})
}

// Installation looks at everything that a configuration names.
func (f *Findings) Installation(ctx context.Context, path string, cfg *config.Config, offline bool, serverConfigs []string) {
	keys, snapshot := f.files(ctx, path, cfg, offline)
	if keys == nil {
		return
	}
	var o *operatorCheck // nil: config mode
	if cfg.NATS.Mode == config.ModeOperator {
		o = f.operatorMode(ctx, cfg, keys, snapshot, offline)
	}
	for _, file := range serverConfigs {
		var largest answerSize
		if !offline || !signsElsewhere(keys) {
			largest = largestAnswer(ctx, cfg, keys, snapshot)
		}
		f.serverConfig(file, cfg, keys, snapshot, largest)
	}
	if !offline {
		f.programs(ctx, cfg, keys)
		f.servers(ctx, path, cfg, keys, snapshot, o)
	}
}
