package checkup

import (
	"context"
	"time"

	"usher/app/checkup/finding"
	"usher/app/checkup/gateway"
	"usher/app/checkup/operatormode"
	"usher/app/checkup/pushheaders"
	"usher/app/checkup/sessions"
	"usher/app/checkup/streambridge"
	"usher/app/config"
)

// Check checks the files, the addresses and, unless offline, the servers of a configuration,
// and appends the findings to f. path is the file of the configuration, for hints.
// serverConfigs are files of nats-server to check as well.
func Check(ctx context.Context, f *finding.List, path string, cfg *config.Config, offline bool, serverConfigs []string) {
	keys, snapshot := checkFiles(ctx, f, path, cfg, offline)
	if keys == nil {
		return
	}
	var o *operatormode.Checker // nil: config mode
	if cfg.NATS.Mode == config.ModeOperator {
		o = operatormode.Run(ctx, f, cfg, keys, snapshot, offline)
	}
	var files []gateway.File
	for _, file := range serverConfigs {
		var largest answerSize
		if !offline || !operatormode.SignsElsewhere(keys) {
			largest = largestAnswer(ctx, cfg, keys, snapshot)
		}
		if x := checkServerConfig(f, file, cfg, keys, snapshot, largest); x != nil {
			files = append(files, gateway.File{Path: file, File: x})
		}
	}
	pushheaders.CheckFiles(f, &cfg.Push)
	pushheaders.Check(f, keys, snapshot)
	streambridge.Check(ctx, f, cfg, offline)
	sessions.CheckFiles(f, cfg)
	gateway.CheckFiles(f, cfg, files, time.Now())
	if offline {
		gateway.CheckOwnFiles(f, cfg, time.Now())
	} else {
		checkPrograms(ctx, f, cfg, keys)
		checkServers(ctx, f, path, cfg, keys, snapshot, o)
	}
}
